"""Hardware encoders as a worker finds them."""
