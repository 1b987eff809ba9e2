"""Cards of models that read text."""
