"""Running the house: health, retention, watchdog, and rows checked against files."""
