"""``cinemill rm``: deletes videos with everything that was made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from cinemill.cli import connect, options
from cinemill.cli.arguments.questions import confirm
from cinemill.cli.arguments.videos import describe, find_video
from cinemill.cli.console import print_json, print_message
from cinemill.cli.exit_codes import highest
from cinemill.cli.ids import for_each

if TYPE_CHECKING:
    from cinemill.client import AssetDocument, Client


def remove(
    video: options.Videos,
    yes: options.Yes = False,
    json: options.Json = False,
) -> None:
    """Delete videos with their jobs and all files made of them. Running jobs are cancelled.

    Asks first; where there is no terminal, it needs --yes. This cannot be undone.
    """
    with connect.connect() as client:
        found, unknown = for_each(video, lambda text: find_video(client, text), json=json)
        # Once each, however often and by whichever of its names it was given.
        named = {describe(one): one for one in found}
        if named:
            confirm(f"Delete {', '.join(named)}, with everything made of it?", yes=yes)
        deleted, codes = for_each(list(named), lambda name: _delete(client, named[name]), json=json)
    if json:
        print_json(deleted)
    for one in deleted if not json else ():
        rest = "is deleted" if one["deleted"] else "will be deleted once its work has stopped"
        print_message(f"{one['filename']} {rest}.")
    raise typer.Exit(highest([*unknown, *codes]))


def _delete(client: Client, video: AssetDocument) -> dict[str, object]:
    left = client.delete_asset(str(video["id"]))
    return {"id": video["id"], "filename": video.get("filename", ""), "deleted": left is None}
