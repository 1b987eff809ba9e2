"""``python -m cinemill.worker.beat``: Celery's beat, with the relay in a thread next to it."""

from __future__ import annotations

import sys

from cinemill.errors import DependencyUnavailable, SettingsInvalid


def main() -> int:
    try:
        # Imported here: it reads the settings, whose errors become a message.
        from cinemill.worker.app import app

        app.context.check_database_route()
    except SettingsInvalid as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - nothing is logged yet
        return 2
    except DependencyUnavailable as error:
        print(f"{error.message} {error.hint}", file=sys.stderr)  # noqa: T201 - as above
        return 3
    # Not through Celery's command line, which loads all of its commands, 15 MB of them.
    app.Beat(loglevel="INFO").run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
