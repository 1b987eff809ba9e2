"""A corpus whose every word and picture is known, and figures of search and answers on it."""
