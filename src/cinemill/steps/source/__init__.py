"""How a job gets its video: where it may lie, how it is imported, and what is known of it then."""
