"""Reading metadata of untrusted files."""
