"""AUTOMATIC1111's API: the routes under /sdapi/v1/ as its clients call them."""
