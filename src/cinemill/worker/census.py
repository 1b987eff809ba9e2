"""Which workers answer, and on which queues they work: for ``cinemill doctor``."""

from __future__ import annotations

from cinemill.config import Settings

ANSWER_SECONDS = 2.0


def count_workers(settings: Settings) -> dict[str, list[str]]:
    """Queue → names of the workers that answered within two seconds.

    Raises RedisUnavailable where the broker cannot be asked.
    """
    from kombu.exceptions import OperationalError

    from cinemill.errors import RedisUnavailable
    from cinemill.worker.building import build_app

    app = build_app(settings)
    try:
        answers = app.control.inspect(timeout=ANSWER_SECONDS).active_queues() or {}
    except (OperationalError, OSError) as error:
        raise RedisUnavailable(f"The broker cannot be asked for workers ({error}).") from error
    finally:
        app.close()
    found: dict[str, list[str]] = {}
    for worker, queues in sorted(answers.items()):
        for queue in queues:
            found.setdefault(queue["name"], []).append(worker)
    return found
