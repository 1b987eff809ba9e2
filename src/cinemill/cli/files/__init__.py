"""Files of results on this machine, by names that people can read."""
