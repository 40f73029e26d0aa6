"""The networks: pure torch, one file each, attribute names are the checkpoint's. Imports nothing of ours."""
