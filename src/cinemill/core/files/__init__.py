"""Files: what is known of them without reading them, and the base of what is read from them."""
