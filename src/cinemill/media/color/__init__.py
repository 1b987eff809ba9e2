"""What the numbers of a picture mean, and how they are converted when an output means others."""
