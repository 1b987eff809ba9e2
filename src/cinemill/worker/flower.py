"""``python -m cinemill.worker.flower [--port N]``: Flower on our application.

Flower can stop workers and revoke tasks, so that it asks for a name and a password, its API too:
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
SIGN_IN = "FLOWER_BASIC_AUTH"
"""Read by Flower. By the environment: everybody on the machine may read a command line."""


def main(arguments: list[str]) -> int:
    try:
        # Imported here: it reads the settings, and what is wrong with them ends in a sentence.
        from cinemill.worker.app import app
    except SettingsInvalid as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - nothing is logged yet
        return 2
    try:
        ask_for_token(app.context.settings.home)
    except SecretUnusable as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr)  # noqa: T201
        return 1
    ask_sentinels(app)
    app.start(["flower", "--address=127.0.0.1", *arguments])
    return 0


def ask_for_token(home: Path) -> None:
    """Have Flower ask for the token of this home, made now where there is none.

    Raises SecretUnusable; also where FLOWER_BASIC_AUTH has a user without a password.
    """
    given = os.environ.get(SIGN_IN, "").strip()
    if not given:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ[SIGN_IN] = f"{USER}:{read_or_make_secret(home / 'token')}"
    elif not all(_has_password(one) for one in given.split(",")):
        raise SecretUnusable(
            f"{SIGN_IN} has a user without a password.",
            hint="Set it to user:password, or unset it to use the installation's token.",
        )


def _has_password(credentials: str) -> bool:
    user, _, password = credentials.partition(":")
    return bool(user.strip()) and bool(password.strip())


def ask_sentinels(app: Celery) -> None:
    """Flower finds the broker by itself, and has to be told how its Sentinels are asked."""
    url = app.context.settings.celery_broker_url or ""
    app.conf.broker_transport_options = {
        **app.conf.broker_transport_options,
        **credential_options(url),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
