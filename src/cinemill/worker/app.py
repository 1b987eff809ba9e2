"""The Celery application: what Celery's own worker, beat, flower, inspect and purge are given.

``celery -A cinemill.worker.app worker -Q proxy,ingestion``
"""

from __future__ import annotations

from cinemill.config import join_running, load
from cinemill.worker.app_factory import build_app

app = build_app(join_running(load()))
