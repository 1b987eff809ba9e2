"""What an ingestion consists of: profiles, and the steps of several capabilities in one plan."""
