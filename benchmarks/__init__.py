"""Sukashi beside diffusers: the same weights, the same run, taking turns. ``python -m benchmarks --help``."""
