"""What the corpus says and shows, and what is asked about it. Pure: a seed gives the same plan."""
