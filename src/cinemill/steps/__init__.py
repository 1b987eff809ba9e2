"""What the steps of several capabilities work with."""
