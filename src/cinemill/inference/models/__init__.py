"""Models: their cards, where their files come from, and the folders that hold them."""
