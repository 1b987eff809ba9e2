"""Analysis by services: one interface for all of them, what it costs, and what is kept of it."""
