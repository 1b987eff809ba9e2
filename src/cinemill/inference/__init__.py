"""Speech models: which exist, where their files come from, and running them.

Libraries that run models are imported here, on first use, and nowhere else.
"""
