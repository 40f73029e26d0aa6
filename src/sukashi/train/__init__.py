"""Training: importable functions, thin commands."""
