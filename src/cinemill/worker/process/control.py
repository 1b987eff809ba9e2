"""Celery's ``control revoke ID --terminate``, as operators of other systems write it.

Celery's own command takes no such option; here it means what ``app.control.revoke(id,
terminate=True)`` does.
"""

from __future__ import annotations

from typing import Any

import click
from celery.app.control import Control

from cinemill.core.documents import JsonObject

OPTION = "terminate"


class JobControl(Control):
    """Broadcasts commands to workers, with what the command line was given."""

    def broadcast(self, command: str, arguments: JsonObject | None = None, **options: Any) -> Any:
        context = click.get_current_context(silent=True)
        if command == "revoke" and context is not None and context.params.get(OPTION):
            arguments = {**(arguments or {}), OPTION: True}
        return super().broadcast(command, arguments, **options)


def offer_terminate(command: click.Command) -> None:
    """Let Celery's command ``control`` take ``--terminate``."""
    if all(one.name != OPTION for one in command.params):
        text = "With revoke: cancel jobs that run, too."
        command.params.append(click.Option([f"--{OPTION}"], is_flag=True, help=text))
