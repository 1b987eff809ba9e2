"""Reading metadata of files that nobody has verified."""
