"""Training data: pictures with captions, as folders hold them, and batches of them as a pure function of the step."""
