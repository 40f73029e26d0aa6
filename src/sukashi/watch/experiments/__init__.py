"""Experiments: each one function of a pipeline that gives a ``Found``, and one command, ``sukashi experiment NAME``."""
