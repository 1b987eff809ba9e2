"""How a child that cannot go on tells its supervisor why: one line of JSON, and an exit code."""

from __future__ import annotations

import json

from cinemill.errors import CinemillError, DependencyUnavailable

EXIT_FINAL = 2
"""Exit code that says: trying again would end the same way."""


def write_complaint(problem: CinemillError) -> str:
    """The line, for the child to print last."""
    told = {"code": problem.code, "message": problem.message, "hint": problem.hint}
    return json.dumps({"cinemill_error": told}, ensure_ascii=False)


def read_complaint(output: str) -> DependencyUnavailable | None:
    """What the last line of a child's output tells; None where it is no complaint."""
    try:
        told = json.loads(output.splitlines()[-1])["cinemill_error"]
        return DependencyUnavailable(told["message"], code=told["code"], hint=told["hint"])
    except (ValueError, LookupError, TypeError):
        return None
