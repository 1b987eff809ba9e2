"""Models: which there are, where their files come from, and what they make of sound and pictures.

Libraries that run models are imported here, when they are first used, and nowhere else.
"""
