"""Published sets of real and manipulated videos, read as they are distributed."""
