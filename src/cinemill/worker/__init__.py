"""The Celery layer: the only package that uses Celery. Its messages carry run ids and no work."""
