"""``python -m cinemill.worker.beat``: Celery's beat, with the relay in a thread beside it."""

from __future__ import annotations

import sys

from cinemill.errors import SettingsInvalid


def main() -> int:
    try:
        # Imported here: it reads the settings, and what is wrong with them ends in a sentence.
        from cinemill.worker.app import app
    except SettingsInvalid as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - nothing is logged yet
        return 2
    # Not through Celery's command line: that loads every command there is, 15 MB of them.
    app.Beat(loglevel="INFO").run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
