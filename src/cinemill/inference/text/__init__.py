"""Text as vectors that are near each other where texts mean the same."""
