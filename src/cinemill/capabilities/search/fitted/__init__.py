"""Models that were fitted on a corpus of this project, by ``cinemill evaluate fit``."""
