"""The laboratory around kirie: a probe that reads pictures of its world, and numbers about models that draw them."""
