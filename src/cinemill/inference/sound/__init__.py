"""Speech, singing and music: which of them a sound has, and when."""
