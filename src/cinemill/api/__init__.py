"""The HTTP doors: an upload application, records of jobs and assets, live progress, one page."""
