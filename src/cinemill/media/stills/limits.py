"""How large a picture may be that somebody sends."""

MOST_BYTES = 16 * 1024**2
"""Of the file."""
