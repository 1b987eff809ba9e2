"""What is searched and found: passages, filters, hits and citations."""
