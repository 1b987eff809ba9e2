"""Speech models: audio in, timed words out."""
