"""Search, answers with citations, and conversations about what videos say and show."""
