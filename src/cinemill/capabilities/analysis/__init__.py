"""Analysis of videos: what they show and say, what is written in them, and when."""
