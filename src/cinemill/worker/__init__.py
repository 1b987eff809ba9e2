"""The Celery shell: the only room that knows Celery. Its messages carry run ids, no work."""
