"""Detection of manipulated faces in videos."""
