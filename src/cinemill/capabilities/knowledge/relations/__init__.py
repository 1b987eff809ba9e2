"""Relations that sentences state, found by the grammar of their dependencies."""
