"""Language models on servers, behind one protocol."""
