"""Content credentials (C2PA): who signed a file, and what the signer states about it."""
