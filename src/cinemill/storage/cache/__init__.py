"""Caches in Redis: features of videos, results of analyses, hashes of files.

Whatever goes wrong in a cache is a miss: the work is done again, and no caller sees an error.
"""
