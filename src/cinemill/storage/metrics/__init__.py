"""What metrics are made of: rows of PostgreSQL, reports of workers in Redis, figures of both."""
