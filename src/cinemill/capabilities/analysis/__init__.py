"""Analysis of videos: what is shown, read and heard in them, and when."""
