"""Rows of jobs that wait: for other jobs, for a time, or no longer than until one."""
