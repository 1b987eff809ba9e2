"""``cinemill ask``: answers with citations, and follow-up questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import connect, options
from cinemill.cli.arguments.videos import find_video_ids
from cinemill.cli.commands.search.moments import show_moments, show_vectors_hint
from cinemill.cli.commands.search.narrowing import Assets, Collections
from cinemill.cli.console import console, print_json, print_message
from cinemill.errors import NotFound

if TYPE_CHECKING:
    from cinemill.client import AnswerDocument, Client


def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to answer.")],
    go_on: Annotated[
        bool,
        typer.Option("--continue", help="Go on with the conversation that was used last."),
    ] = False,
    asset: Assets = None,
    collection: Collections = None,
    json: options.Json = False,
) -> None:
    """Answer a question from the videos, with the moments that each statement rests on.

    Without a language model (CINEMILL_LANGUAGE_MODEL) the answer is made of quotations.
    """
    with connect.connect() as client:
        conversation_id = _find_last_conversation(client) if go_on else None
        answer = client.ask(
            question,
            conversation_id=conversation_id,
            asset_ids=find_video_ids(client, asset),
            collections=collection or (),
        )
    if json:
        print_json(answer)
        return
    _show_answer(answer)


def _find_last_conversation(client: Client) -> str:
    """Return the id of the conversation used last. Raises NotFound."""
    for one in client.conversations(limit=1):
        return one["id"]
    raise NotFound(
        "There is no conversation to go on with.",
        code="conversation_not_found",
        hint="Ask without --continue first.",
    )


def _show_answer(answer: AnswerDocument) -> None:
    show_vectors_hint(answer.get("vectors", ""), answer.get("vectors_hint", ""))
    if answer.get("is_follow_up"):
        print_message(f"Understood as: {answer.get('question', '')}")
    if code := answer.get("model_error"):
        print_message(f"The language model did not finish ({code}).")
    if answer.get("abstained"):
        print_message("No answer was found in the videos.")
        if moments := answer.get("moments"):
            print_message("Nearest:")
            show_moments(moments)
        return
    console().print(answer.get("answer", ""))
    console().print()
    show_moments(answer.get("citations", []), are_numbered=True)
