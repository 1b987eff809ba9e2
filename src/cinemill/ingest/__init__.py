"""A film taken in: fetched, probed, decoded once, and everything that comes of that published."""
