"""``cinemill detect review``: what a person should look at, and what people decided."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import connect, options
from cinemill.cli.arguments.completion import complete_jobs
from cinemill.cli.arguments.default_command import DefaultCommandGroup
from cinemill.cli.console import (
    console,
    format_age,
    make_table,
    print_json,
    print_message,
    shorten_to_fit,
)
from cinemill.cli.ids import find_job_id, shorten
from cinemill.core.job import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinemill.client import Client
    from cinemill.client.models import AnalysisDocument, ReviewDocument


class ReviewGroup(DefaultCommandGroup):
    """``review`` alone lists the queue."""

    default_command = "list"


class PersonVerdict(StrEnum):
    """What a person can find."""

    LIKELY_MANIPULATED = "likely_manipulated"
    NO_MANIPULATION_FOUND = "no_manipulation_found"
    INCONCLUSIVE = "inconclusive"


app = typer.Typer(
    cls=ReviewGroup,
    help=(
        "Review verdicts: list those that need a person, and accept, override or flag them. "
        "A decision is added to the audit trail and never changes the detector's own verdict."
    ),
)

AnalysisId = Annotated[
    str,
    typer.Argument(
        metavar="ANALYSIS",
        help="ID of the analysis; the first four or more characters are enough.",
        autocompletion=complete_jobs(JobState.COMPLETED),
    ),
]
Reviewer = Annotated[str, typer.Option(help="Your name, for the audit trail and the report.")]
Reason = Annotated[str, typer.Option(help="Why, for the audit trail and the report.")]
Seen = Annotated[
    int | None,
    typer.Option(
        min=0,
        help=(
            "Number of the last entry that you saw, 0 for none: refused if somebody else has "
            "reviewed it since."
        ),
    ),
]


@app.command("list")
def list_queue(
    limit: Annotated[
        int, typer.Option(min=1, max=500, help="Maximum number of analyses to show.")
    ] = 20,
    json: options.Json = False,
) -> None:
    """List the analyses that a person should decide about, oldest first."""
    with connect.connect() as client:
        found = client.review_queue(limit=limit)
        if json:
            print_json(found)
        elif not found:
            print_message("No analysis needs a review.")
        else:
            _print_queue(client, found)


def _print_queue(client: Client, found: Sequence[AnalysisDocument]) -> None:
    from cinemill.cli.commands.detect.verdict_view import label_verdict
    from cinemill.cli.job_titles import find_titles

    titles = find_titles(client, [{"id": one["id"], "asset_id": one["asset_id"]} for one in found])
    table = make_table("!Analysis", "Video", "!Verdict", "!Reviewed as", "!>Age")
    for one in found:
        table.add_row(
            shorten(one["id"]),
            shorten_to_fit(titles.get(one["id"], "")),
            label_verdict(str(one.get("verdict") or "")),
            label_verdict(str(one.get("reviewed_verdict") or "")),
            format_age(one.get("created_at")),
        )
    console().print(table)


@app.command("show")
def show(analysis: AnalysisId, json: options.Json = False) -> None:
    """Show what people decided about an analysis, oldest first."""
    with connect.connect() as client:
        found = client.reviews(find_job_id(client, analysis))
    if json:
        print_json(found)
    elif not found:
        print_message("Nobody has reviewed it yet.")
    else:
        _print_trail(found)


def _print_trail(found: Sequence[ReviewDocument]) -> None:
    from rich.text import Text

    from cinemill.cli.commands.detect.verdict_view import label_verdict

    table = make_table("!>Entry", "!Action", "Reviewer", "!Detector", "!Person", "!>Age", "Reason")
    for one in found:
        table.add_row(
            str(one.get("id", "")),
            str(one.get("action", "")),
            Text(str(one.get("reviewer", ""))),
            label_verdict(str(one.get("model_verdict") or "")),
            label_verdict(str(one.get("verdict") or "")),
            format_age(one.get("created_at")),
            Text(str(one.get("reason", ""))),
        )
    console().print(table)


@app.command("accept")
def accept(
    analysis: AnalysisId,
    reviewer: Reviewer,
    reason: Reason,
    seen: Seen = None,
    json: options.Json = False,
) -> None:
    """Agree with the detector's verdict."""
    _review(analysis, "accept", reviewer, reason, seen=seen, json=json)


@app.command("override")
def override(
    analysis: AnalysisId,
    verdict: Annotated[PersonVerdict, typer.Option(help="Your own verdict.")],
    reviewer: Reviewer,
    reason: Reason,
    seen: Seen = None,
    json: options.Json = False,
) -> None:
    """Record your own verdict next to the detector's, which stays as it is."""
    _review(analysis, "override", reviewer, reason, verdict=verdict.value, seen=seen, json=json)


@app.command("flag")
def flag(
    analysis: AnalysisId, reviewer: Reviewer, reason: Reason, json: options.Json = False
) -> None:
    """Put an analysis into the queue for others to look at."""
    _review(analysis, "flag", reviewer, reason, json=json)


DONE = {
    "accept": "Accepted: the verdict is {verdict}.",
    "override": "Overridden: the reviewed verdict is {verdict}.",
    "flag": "Flagged: it is in the queue of 'cinemill detect review'.",
}


def _review(
    analysis: str,
    action: str,
    reviewer: str,
    reason: str,
    *,
    verdict: str | None = None,
    seen: int | None = None,
    json: bool,
) -> None:
    with connect.connect() as client:
        entry = client.review(
            find_job_id(client, analysis),
            action=action,
            reviewer=reviewer,
            reason=reason,
            verdict=verdict,
            seen=seen,
        )
    if json:
        print_json(entry)
        return
    words = str(entry.get("verdict") or "").replace("_", " ")
    print_message(f"{DONE[action].format(verdict=words)} Entry {entry.get('id')} of its trail.")
