"""The report of a child that cannot continue to its supervisor: a line of JSON and an exit code."""

from __future__ import annotations

import json

from cinemill.errors import CinemillError, DependencyUnavailable

EXIT_FINAL = 2
"""Exit code of a permanent failure: starting again would end the same way."""


def write_exit_report(problem: CinemillError) -> str:
    """Return the line that the child prints last."""
    report = {"code": problem.code, "message": problem.message, "hint": problem.hint}
    return json.dumps({"cinemill_error": report}, ensure_ascii=False)


def read_exit_report(output: str) -> DependencyUnavailable | None:
    """Return the error in the last line of a child's output; None if it is no exit report."""
    try:
        report = json.loads(output.splitlines()[-1])["cinemill_error"]
        return DependencyUnavailable(report["message"], code=report["code"], hint=report["hint"])
    except (ValueError, LookupError, TypeError):
        return None
