"""Search across videos, and answers that cite their moments."""
