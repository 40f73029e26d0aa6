"""Jobs: what is asked, kept so that nothing is lost, and drawn in turns."""
