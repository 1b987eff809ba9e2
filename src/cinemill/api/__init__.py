"""The HTTP API: the upload application, jobs and assets, live progress, and the page."""
