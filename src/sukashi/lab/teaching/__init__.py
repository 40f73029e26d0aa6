"""Concepts that kirie never saw, and how well each way of training teaches them to it."""
