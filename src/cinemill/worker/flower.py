"""``python -m cinemill.worker.flower [--port N]``: Flower for our application.

Flower can stop workers and revoke tasks, so both its page and its API need a name and a password:
``cinemill`` and the installation's token, unless FLOWER_BASIC_AUTH names others.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from celery import Celery

from cinemill.errors import SecretUnusable, SettingsInvalid
from cinemill.storage.secrets import read_or_make_secret
from cinemill.worker.messages.redis_sentinel import credential_options

USER = "cinemill"
BASIC_AUTH = "FLOWER_BASIC_AUTH"
"""Read by Flower from the environment, since every user of the machine can read command lines."""


def main(arguments: list[str]) -> int:
    try:
        # Imported here: it reads the settings, whose errors become a message.
        from cinemill.worker.app import app
    except SettingsInvalid as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - nothing is logged yet
        return 2
    try:
        require_sign_in(app.context.settings.home)
    except SecretUnusable as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr)  # noqa: T201
        return 1
    configure_sentinels(app)
    port = app.context.settings.flower_port
    app.start(["flower", "--address=127.0.0.1", f"--port={port}", *arguments])
    return 0


def require_sign_in(home: Path) -> None:
    """Have Flower require the token of this home, which is created if there is none.

    Raises SecretUnusable, also if FLOWER_BASIC_AUTH has a user without a password.
    """
    given = os.environ.get(BASIC_AUTH, "").strip()
    if not given:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ[BASIC_AUTH] = f"{USER}:{read_or_make_secret(home / 'token')}"
    elif not all(_has_password(one) for one in given.split(",")):
        raise SecretUnusable(
            f"{BASIC_AUTH} has a user without a password.",
            hint="Set it to user:password, or unset it to use the installation's token.",
        )


def _has_password(credentials: str) -> bool:
    user, _, password = credentials.partition(":")
    return bool(user.strip()) and bool(password.strip())


def configure_sentinels(app: Celery) -> None:
    """Give Flower, which connects to the broker by itself, the credentials of the Sentinels."""
    url = app.context.settings.celery_broker_url or ""
    app.conf.broker_transport_options = {
        **app.conf.broker_transport_options,
        **credential_options(url),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
