"""How a file came to be: who signed it, and what its encoding shows."""
