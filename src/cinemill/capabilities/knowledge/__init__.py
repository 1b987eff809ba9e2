"""Knowledge: entities and relations in what is said, read and seen, with their evidence."""
