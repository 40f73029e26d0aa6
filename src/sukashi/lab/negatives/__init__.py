"""The experiment on negative prompts: ``python -m sukashi.lab.negatives --out DIR``."""
