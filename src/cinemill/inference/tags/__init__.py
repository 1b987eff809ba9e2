"""What a picture shows as a whole."""
