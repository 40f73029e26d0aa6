"""What training writes: files in the formats of the field, each loaded again after writing and compared."""
