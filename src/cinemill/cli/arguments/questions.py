"""Questions before what cannot be undone, or would be in vain."""

from __future__ import annotations

import sys

from cinemill.cli.arguments.usage import UsageInvalid
from cinemill.cli.terminal.printable import escape
from cinemill.cli.terminal.screen import is_terminal
from cinemill.errors import Conflict


def confirm(question: str, *, yes: bool) -> None:
    """Ask a person, unless ``yes`` has answered already.

    Raises UsageInvalid (``confirmation_needed``) where there is nobody to ask, and Conflict
    (``not_confirmed``) for any answer but yes.
    """
    if yes:
        return
    if not is_terminal(sys.stdin):
        raise UsageInvalid(
            f"This needs a confirmation: {question}",
            code="confirmation_needed",
            hint="Add --yes if you are sure; only a terminal can be asked.",
        )
    sys.stderr.write(f"{escape(question)} [y/N] ")
    sys.stderr.flush()
    try:
        answer = input()
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise Conflict(
            "Nothing was done.", code="not_confirmed", hint="Answer y, or add --yes, to go on."
        )
