"""The job engine: plan, submit, claim, watch, commit, retry, cancel.

PostgreSQL is the source of truth.
"""
