"""``python -m cinemill.local.servers.migration SECONDS``: migrate the schema of DATABASE_URL.

Where that leads to a pooler, DATABASE_DIRECT_URL is used for it, and both are checked.

It is a separate process because the supervisor lives for weeks and should not keep SQLAlchemy and
Alembic in memory, and because it can load them while the database is still being created: it is
started at once and waits up to SECONDS for the database to respond.
"""

from __future__ import annotations

import os
import sys
import time

from cinemill.errors import CinemillError, DatabasePooled, DatabaseUnavailable, RedisUnavailable
from cinemill.jobs.events import HEALTH_KEYS
from cinemill.local.supervisor.exit_report import EXIT_FINAL, write_exit_report
from cinemill.storage.database import Database, check_route, migrate
from cinemill.storage.jobs.stray_messages import find_redis_url
from cinemill.storage.redis_servers import FAULTS, open_redis
from cinemill.storage.redis_trial import describe_refusal, is_lasting, try_everything

POLL_SECONDS = 0.05
REDIS_SECONDS = 5.0


def migrate_when_ready(database: Database, *, wait_seconds: float) -> str:
    """Migrate as soon as the database responds, and return the revision it is at then.

    Raises DatabaseUnavailable after ``wait_seconds``, DatabaseNewer and DatabasePooled at once.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            check_route(database)
            return migrate(database.direct_url)
        except DatabasePooled:
            raise
        except DatabaseUnavailable:
            if time.monotonic() > deadline:
                raise
        time.sleep(POLL_SECONDS)


def check_redis_access(url: str | None, *, setting: str = "REDIS_URL") -> None:
    """Raise RedisUnavailable where Redis will not do what is needed until somebody changes it.

    ``setting`` is where the address comes from. Whatever may pass (a server that is away, loading,
    full or demoted) is for the services to wait for.
    """
    if not url:
        return
    try:
        limits = {"socket_timeout": REDIS_SECONDS, "socket_connect_timeout": REDIS_SECONDS}
        with open_redis(url, **limits) as client:
            client.time()
            try_everything(client, HEALTH_KEYS)
    except FAULTS as error:
        if is_lasting(error):
            raise RedisUnavailable(
                f"Redis refuses Cinemill: {describe_refusal(error)}.",
                hint=(
                    f"Correct the user, the password or the database number in {setting}, or what "
                    "the server permits that user."
                ),
            ) from error
    except ValueError as error:
        raise RedisUnavailable(f"{setting} cannot be used: {error}.") from error


def main(arguments: list[str]) -> int:
    try:
        database = Database(
            os.environ["DATABASE_URL"], direct_url=os.environ.get("DATABASE_DIRECT_URL") or None
        )
        check_redis_access(os.environ.get("REDIS_URL"))
        broker_url = find_redis_url(os.environ.get("CELERY_BROKER_URL"))
        check_redis_access(broker_url, setting="CELERY_BROKER_URL")
        revision = migrate_when_ready(database, wait_seconds=float(arguments[0]))
    except CinemillError as problem:
        sys.stderr.write(write_exit_report(problem) + "\n")
        return EXIT_FINAL
    database.close()
    sys.stderr.write(f"the schema is at revision {revision}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
