"""The hardware encoders of a worker."""
