"""The routes under /api/, which the page uses."""
