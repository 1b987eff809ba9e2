"""``python -m cinemill.worker.monitor [--port N]``: Flower on our application."""

from __future__ import annotations

import sys

from cinemill.errors import SettingsInvalid


def main(arguments: list[str]) -> int:
    try:
        from cinemill.worker.app import app
    except SettingsInvalid as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - nothing is logged yet
        return 2
    app.start(["flower", "--address=127.0.0.1", *arguments])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
