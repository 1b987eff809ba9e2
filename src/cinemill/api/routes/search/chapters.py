"""``GET /assets/{id}/chapters``: the parts of a video by subject, and where it says most."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.problems import Responses, problems
from cinemill.api.models.search.chapters import ChaptersDocument, write_title
from cinemill.api.owned_assets import get_owned_asset
from cinemill.api.state import AppState, StateDep
from cinemill.capabilities.search.chapters.video_chapters import VideoChapters, read_chapters
from cinemill.core.text.segmentation import Cue
from cinemill.core.text.storable_text import Text
from cinemill.media.text_tracks import write_vtt

router = APIRouter(tags=["search"], route_class=BoundedRoute)

_VTT: Responses = {200: {"content": {"text/vtt": {"schema": {"type": "string"}}}}}


class _ChapterFile(Response):
    media_type = "text/vtt"


@router.get("/assets/{asset_id}/chapters", responses=problems(404))
async def list_chapters(asset_id: Text, state: StateDep) -> ChaptersDocument:
    """Return the chapters of a video and its key moments, as far as it says or shows text.

    They are computed from what is known of the video now. A video with one subject has no
    chapters; key moments need the names and relations that the profiles `standard` and `full` find.
    """
    return ChaptersDocument.from_record(await _read(state, asset_id))


@router.get(
    "/assets/{asset_id}/chapters.vtt",
    response_class=_ChapterFile,
    responses=_VTT | problems(404),
)
async def read_chapter_file(asset_id: Text, state: StateDep) -> _ChapterFile:
    """Return the chapters as a WebVTT file, for players; without chapters it has no cues."""
    found = await _read(state, asset_id)
    cues = [
        Cue(one.start_ms, one.end_ms, (write_title(number, one),), ())
        for number, one in enumerate(found.chapters, start=1)
    ]
    return _ChapterFile(write_vtt(cues))


async def _read(state: AppState, asset_id: str) -> VideoChapters:
    """Return a video's chapters. In the threads of searches: long videos take as long as one."""

    def work() -> VideoChapters:
        return read_chapters(state.database, get_owned_asset(state, asset_id))

    return await state.search.searches.run(work)
