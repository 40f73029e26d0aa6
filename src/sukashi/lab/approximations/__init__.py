"""What computing less does to the pictures of a small model: ``sukashi kirie approximations``."""
