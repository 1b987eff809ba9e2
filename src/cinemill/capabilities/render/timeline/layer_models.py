"""Models of titles, overlays and sounds: what goes over or with the clips of a timeline."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from annotated_types import Len
from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo

from cinemill.capabilities.render.timeline.base_models import (
    SourcedDocument,
    TimelineModel,
    check_length,
)
from cinemill.capabilities.render.timeline.fields import (
    Color,
    Seconds,
    Share,
    VisibleText,
    Volume,
)
from cinemill.capabilities.render.timeline.timeline import Place
from cinemill.core.parameters import Expected, Listed

Item = TypeVar("Item")
MAX_LAYER_ELEMENTS = 1000
"""Of titles, of overlays and of sounds, each."""


class LayerDocument(TimelineModel):
    """An element over the clips, or an audio file with theirs. Its times are the whole video's."""

    since: Annotated[Seconds | None, Field(alias="from")] = None
    """Seconds of the whole video at which it begins. Default: 0."""
    until: Annotated[Seconds | None, Field(alias="to")] = None
    """Seconds of the whole video at which it ends. Default: the end of the video."""
    fade_in: Seconds | None = None
    """Seconds of fading in. Default: 0."""
    fade_out: Seconds | None = None
    """Seconds of fading out. Default: 0."""


class TitleDocument(LayerDocument):
    """Text over the picture."""

    model_config = ConfigDict(title="Title")

    text: VisibleText
    """The text, line by line; it has no markup."""
    place: Place | None = None
    """Where it is in the picture. Default: center."""
    size: Share | None = None
    """The height of a line, as a share of the picture's height. Default: 1/12."""
    color: Annotated[Color | None, Field(alias="colour")] = None
    """The color of the letters. Default: #ffffff."""


class OverlayDocument(SourcedDocument, LayerDocument):
    """An image or a video over the picture."""

    model_config = ConfigDict(title="Overlay")
    source_code = "overlay_source_missing"

    start: Seconds | None = None
    """Where a video begins to play, in its own seconds. Default: 0."""
    place: Place | None = None
    """Where it is in the picture. Default: center."""
    size: Share | None = None
    """The box that it is fitted into, as a share of the picture's width and height. Default: 1."""
    opacity: Share | None = None
    """How opaque it is, above 0 and at most 1. Default: 1."""


class SoundDocument(SourcedDocument, LayerDocument):
    """Music or a voice, mixed with the audio of the clips."""

    model_config = ConfigDict(title="Sound")
    source_code = "sound_source_missing"

    start: Seconds | None = None
    """Where the file begins to play, in its own seconds. Default: 0."""
    volume: Volume | None = None
    """A factor of the audio's amplitude; 0 is silence. Default: 1."""


def _limit_elements(value: Any, info: ValidationInfo) -> Any:
    check_length(value, str(info.field_name), MAX_LAYER_ELEMENTS)
    return value


_LayerList = Annotated[
    Listed[Item], Len(max_length=MAX_LAYER_ELEMENTS), BeforeValidator(_limit_elements)
]
_SOURCED = Expected("an object with a path or an asset_id")
Titles = _LayerList[Annotated[TitleDocument, Expected("an object with text")]]
Overlays = _LayerList[Annotated[OverlayDocument, _SOURCED]]
Sounds = _LayerList[Annotated[SoundDocument, _SOURCED]]
