"""``cinemill dead``: steps that need an operator, and messages that became no job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinemill.cli import connect, options
from cinemill.cli.arguments.completion import complete_dead, complete_messages
from cinemill.cli.arguments.questions import confirm
from cinemill.cli.console import (
    console,
    format_age,
    format_size,
    make_table,
    print_json,
    print_message,
)
from cinemill.cli.exit_codes import highest
from cinemill.cli.ids import (
    MIN_PREFIX_LENGTH,
    find_message_id,
    find_step_id,
    for_each,
    list_message_ids,
    shorten,
)
from cinemill.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinemill.client import Client, DeadDocument, DeadMessageDocument, JobDocument
    from cinemill.client.models import ErrorDocument

app = typer.Typer(
    help=(
        "Manage dead letters: steps that were rejected or used up their retries, and "
        "unusable messages."
    ),
    no_args_is_help=True,
)


@app.command("list")
def list_dead(json: options.Json = False) -> None:
    """List dead steps and messages, with the reason and a hint for each."""
    with connect.connect() as client:
        steps = client.dead()
        messages = client.dead_messages()
    if json:
        print_json([*steps, *(_write_as_step(message) for message in messages)])
        return
    if not steps and not messages:
        print_message("There are no dead letters.")
    if steps:
        _print_steps(steps)
    if messages:
        _print_messages(messages)


def _print_steps(steps: Sequence[DeadDocument]) -> None:
    table = make_table("!Step", "!Job", "Name", ">Attempts", ">Age", "Reason")
    for step in steps:
        table.add_row(
            shorten(step.get("id", "")),
            shorten(step.get("job_id", "")),
            step.get("step_name", ""),
            str(step.get("attempts", "")),
            format_age(step.get("died_at")),
            _describe_error(step.get("error") or {}),
        )
    console().print(table)


def _print_messages(messages: Sequence[DeadMessageDocument]) -> None:
    table = make_table("!Message", "Task", "Queue", ">Size", ">Age", "Reason")
    for message in messages:
        table.add_row(
            shorten(message.get("id", "")),
            message.get("task") or "–",
            message.get("queue", ""),
            format_size(message.get("size_bytes", 0)),
            format_age(message.get("received_at")),
            _describe_error(message.get("error") or {}),
        )
    console().print(table)


def _describe_error(error: ErrorDocument) -> str:
    reason = f"{error.get('code', '')}: {error.get('message', '')}"
    return f"{reason}\n→ {error['hint']}" if error.get("hint") else reason


def _write_as_step(message: DeadMessageDocument) -> dict[str, Any]:
    """Return the message with the members of a dead step too, so that one script reads both."""
    return {
        "job_id": message.get("task_id", ""),
        "job_kind": message.get("task", ""),
        "step_name": "",
        "died_at": message.get("received_at", ""),
        **message,
    }


@app.command()
def redrive(
    step: Annotated[
        list[str],
        typer.Argument(
            metavar="STEP",
            help="IDs of dead steps; the first four or more characters are enough.",
            autocompletion=complete_dead,
        ),
    ],
    yes: options.Yes = False,
    json: options.Json = False,
) -> None:
    """Retry dead steps with a fresh set of attempts.

    Asks before it retries one whose input was rejected: that would end the same way. Where there is
    no terminal, this needs --yes.
    """
    with connect.connect() as client:
        rejected = [] if yes else _list_rejected(client, step)
        if rejected:
            named = "; ".join(rejected)
            confirm(f"{named}, and would be again. Retry all the same?", yes=yes)
        jobs, codes = for_each(step, lambda text: _redrive(client, text), json=json)
    if json:
        print_json(jobs)
    for job in jobs if not json else ():
        print_message(f"Job {shorten(str(job.get('id', '')))} is queued again.")
    raise typer.Exit(highest(codes))


def _list_rejected(client: Client, texts: Sequence[str]) -> list[str]:
    """Return those dead steps among these whose input was rejected, in words."""
    return [
        f"{shorten(str(one['id']))} was rejected ({(one.get('error') or {}).get('code')})"
        for one in client.dead()
        if any(len(text) >= MIN_PREFIX_LENGTH and str(one["id"]).startswith(text) for text in texts)
        and (one.get("error") or {}).get("retryable") is False
    ]


def _redrive(client: Client, text: str) -> JobDocument:
    """Redrive one dead step. Raises Conflict for a message."""
    if len(text) >= 4 and any(found.startswith(text) for found in list_message_ids(client)):
        raise Conflict(
            f"{text} is a message. Only its beginning is stored, so it cannot be redriven.",
            code="message_not_redrivable",
            hint="Correct the message and send it again; 'cinemill dead drop' deletes this entry.",
        )
    return client.redrive(find_step_id(client, text))


@app.command()
def drop(
    message: Annotated[
        list[str],
        typer.Argument(
            metavar="MESSAGE",
            help="IDs of dead messages; the first four or more characters are enough.",
            autocompletion=complete_messages,
        ),
    ],
    json: options.Json = False,
) -> None:
    """Delete dead messages."""
    with connect.connect() as client:
        dropped, codes = for_each(message, lambda text: _drop(client, text), json=json)
    if json:
        print_json(dropped)
    for one in dropped if not json else ():
        print_message(f"Message {shorten(str(one.get('id', '')))} was deleted.")
    raise typer.Exit(highest(codes))


def _drop(client: Client, text: str) -> JobDocument:
    chosen = find_message_id(client, text)
    client.drop_dead_message(chosen)
    return {"id": chosen}
