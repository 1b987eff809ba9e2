"""What other systems' scripts read in Redis besides our own keys: copies, never the truth."""
