"""Denoisers made of denoisers: guidance methods, windows in time, several prompts at once."""
