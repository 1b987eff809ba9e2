"""Files by what can be known of them without reading them."""
