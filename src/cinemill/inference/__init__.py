"""Models: their cards and files, the sessions that run them, and what is done with them.

Libraries that run models are imported here, on first use, and nowhere else.
"""
