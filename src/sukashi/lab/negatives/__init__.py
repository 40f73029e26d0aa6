"""The experiment on negative prompts: ``sukashi kirie negatives``."""
