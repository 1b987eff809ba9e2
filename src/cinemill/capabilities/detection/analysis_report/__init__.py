"""The report of an analysis: gathered from its rows and files, and written as a page."""
