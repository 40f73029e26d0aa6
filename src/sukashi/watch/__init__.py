"""Watching a picture being made: recordings, previews, curves, tables, experiments. Nothing below knows of it."""
