"""Documents of ingestions, of what they find, and of searches and answers."""
