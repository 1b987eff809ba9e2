"""Finds the video that a person means: by its own id, that of one of its jobs, or its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cinemill.cli.ids import MAX_CANDIDATES, MIN_PREFIX_LENGTH, is_uuid, shorten
from cinemill.errors import Conflict, NotFound

if TYPE_CHECKING:
    from cinemill.client import AssetDocument, Client

MOST_LISTED = 100_000
"""Videos that are searched by their names and first characters."""


def find_video(client: Client, text: str) -> AssetDocument:
    """Return the one video that ``text`` means; ids can be abbreviated to four characters.

    Raises NotFound, or Conflict (``id_ambiguous``) if it means several.
    """
    found = _find_by_id(client, text) if is_uuid(text) else _find_by_part(client, text)
    if not found:
        raise NotFound(
            f"No video has the ID or the name {text!r}, and no job of a video has that ID.",
            code="asset_not_found",
            hint="'cinemill assets' lists the videos.",
        )
    if len(found) > 1:
        named = [f"{asset_id} ({asset['filename']})" for asset_id, asset in found.items()]
        more = " and more" if len(named) > MAX_CANDIDATES else ""
        raise Conflict(
            f"{text!r} means several videos: {', '.join(named[:MAX_CANDIDATES])}{more}.",
            code="id_ambiguous",
            hint="Name one by its ID.",
        )
    return next(iter(found.values()))


def describe(video: AssetDocument) -> str:
    """Return the video's name, with the beginning of its id."""
    return f"{video.get('filename', '')} ({shorten(str(video.get('id', '')))})"


def _find_by_id(client: Client, text: str) -> dict[str, AssetDocument]:
    from cinemill.client import ClientError

    try:
        return {text: client.asset(text)}
    except ClientError as error:
        if error.status != 404:
            raise
    try:
        asset_id = client.job(text).get("asset_id")
    except ClientError as error:
        if error.status != 404:
            raise
        return {}
    return {str(asset_id): client.asset(str(asset_id))} if asset_id else {}


def _find_by_part(client: Client, text: str) -> dict[str, AssetDocument]:
    by_id = {str(asset["id"]): asset for asset in client.assets(limit=MOST_LISTED)}
    meant = [one for one, asset in by_id.items() if text in (one, asset.get("filename"))]
    if len(text) >= MIN_PREFIX_LENGTH:
        meant += [asset_id for asset_id in by_id if asset_id.startswith(text)]
        jobs = client.jobs(id_prefix=text, limit=MAX_CANDIDATES + 1)
        meant += [str(job.get("asset_id")) for job in jobs]
    return {asset_id: by_id[asset_id] for asset_id in meant if asset_id in by_id}


def find_video_id(client: Client, text: str) -> str:
    """Return the whole id of the one video that ``text`` means. Raises what find_video raises."""
    return str(find_video(client, text)["id"])


def find_video_ids(client: Client, texts: Sequence[str] | None) -> list[str]:
    """Return the ids of the videos that options name, each once."""
    return list(dict.fromkeys(find_video_id(client, text) for text in texts or ()))
