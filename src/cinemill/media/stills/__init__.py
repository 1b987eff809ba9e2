"""Still pictures: JPEG and PNG to pixels."""
