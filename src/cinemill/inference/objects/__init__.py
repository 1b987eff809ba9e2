"""Things in pictures, with boxes."""
