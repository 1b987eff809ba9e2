"""A worker's processes: signals, pool, pulse and work folders."""
