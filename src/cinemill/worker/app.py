"""The Celery application for Celery's own worker, beat, flower, inspect and purge commands.

``celery -A cinemill.worker.app worker -Q proxy,ingestion``
"""

from __future__ import annotations

from cinemill.config import apply_running_instance, load
from cinemill.worker.app_factory import build_app

app = build_app(apply_running_instance(load()))
