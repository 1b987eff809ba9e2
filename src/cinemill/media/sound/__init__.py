"""Sound by itself: what can be shown of it."""
