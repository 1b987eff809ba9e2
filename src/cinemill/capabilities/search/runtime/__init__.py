"""Searches and answers as functions of one process, over what the database holds.

The HTTP API calls them directly, and tasks of the queue ``runtime`` do the same.
"""
