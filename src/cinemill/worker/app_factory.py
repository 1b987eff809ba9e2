"""The factory of Celery applications; ``worker.app`` creates the product's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from celery import Celery

from cinemill.catalog import CATALOG
from cinemill.config import Settings
from cinemill.jobs.catalog import Catalog
from cinemill.jobs.step import Handler
from cinemill.worker import task_registry
from cinemill.worker.context import FindHardware, WorkerContext
from cinemill.worker.hardware.detection import find_hardware
from cinemill.worker.messages.clocks import BoundedClock
from cinemill.worker.messages.kombu_patches import patch_redis_transport, patch_solo_pool
from cinemill.worker.messages.queues import broker_options, declare_queues
from cinemill.worker.messages.redis_sentinel import configure_pubsub, translate_url
from cinemill.worker.messages.transport import register_transports
from cinemill.worker.process import lifecycle
from cinemill.worker.process.prefork import patch_prefork_pool
from cinemill.worker.schedule import plan_projection, plan_schedule

BEAT_INTERVAL_SECONDS = 10


def build_app(
    settings: Settings,
    *,
    catalog: Catalog = CATALOG,
    handlers: Mapping[str, Handler] | None = None,
    find_hardware: FindHardware = find_hardware,
) -> Celery:
    """Return a Celery application with a task for every kind of job and of step in the catalog."""
    patch_redis_transport()
    patch_solo_pool()
    patch_prefork_pool()
    register_transports()
    broker_settings = _broker_settings(settings)
    configure_pubsub(_broker_of(settings))
    app = Celery(
        "cinemill",
        set_as_current=True,
        amqp="cinemill.worker.messages.amqp:AdoptingAMQP",
        control="cinemill.worker.process.control:JobControl",
    )
    app.clock = BoundedClock()
    app.context = WorkerContext(
        settings,
        catalog=catalog,
        make_handlers=_make_handlers(handlers or {}),
        import_handlers=_import_handlers,
        find_hardware=find_hardware,
    )
    app.conf.update(**broker_settings, **_task_settings(catalog), **_process_settings(settings))
    task_registry.register(app)
    lifecycle.connect_signals(app)
    _extend_commands()
    return app


def _extend_commands() -> None:
    # Celery's own command imports its parts before it imports an application; nothing else does.
    commands = sys.modules.get("celery.bin.control")
    if commands is not None:
        from cinemill.worker.process.control import offer_terminate

        offer_terminate(commands.control)


def _broker_of(settings: Settings) -> str:
    return settings.celery_broker_url or "memory://unset"


def _broker_settings(settings: Settings) -> dict[str, Any]:
    broker_url, broker_location = translate_url(_broker_of(settings))
    return {
        "broker_url": broker_url,
        "broker_transport_options": {**broker_options(), **broker_location},
        # Always: no task returns anything that another backend could store.
        "result_backend": "cinemill.worker.result_backend:JobBackend",
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # Otherwise a broker that refuses briefly stops the worker once its longest task ends.
        "broker_channel_error_retry": True,
    }


def _task_settings(catalog: Catalog) -> dict[str, Any]:
    return {
        "task_queues": declare_queues(catalog.queues),
        "task_default_queue": "default",
        # Stock clients that set no priority send 0: the message is adopted before runs that wait,
        # and its job gets the priority of its kind.
        "task_default_priority": 0,
        "task_create_missing_queues": False,
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "event_serializer": "json",
        "enable_utc": True,
        "timezone": "UTC",
        "task_acks_late": True,
        "task_reject_on_worker_lost": False,
        "task_retry_on_worker_lost": False,
        "task_track_started": True,
    }


def _process_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings of the worker's processes and of beat."""
    return {
        "worker_consumer": "cinemill.worker.messages.consumer:GuardedConsumer",
        "worker_send_task_events": True,
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": False,
        "worker_concurrency": settings.celery_worker_concurrency,
        "worker_pool": settings.celery_worker_pool,
        "beat_schedule": plan_schedule() | (plan_projection() if settings.qdrant_url else {}),
        # Without a file: a kill in mid-write would corrupt it, and two beats on a home share it.
        "beat_scheduler": "cinemill.worker.process.steady_scheduler:SteadyScheduler",
        # Beat wakes at least this often; a supervisor takes one that does not for frozen.
        "beat_max_loop_interval": BEAT_INTERVAL_SECONDS,
    }


def _make_handlers(
    extra: Mapping[str, Handler],
) -> Callable[[WorkerContext], Mapping[str, Handler]]:
    def make(context: WorkerContext) -> Mapping[str, Handler]:
        # Imported here for start-up cost: it loads our FFmpeg modules and PyAV, which only
        # processes that work on steps need.
        from cinemill.worker.handlers import build_handlers

        return {**build_handlers(context), **extra}

    return make


def _import_handlers(context: WorkerContext) -> None:
    from cinemill.worker.handlers import import_handlers  # as above

    import_handlers(context)
