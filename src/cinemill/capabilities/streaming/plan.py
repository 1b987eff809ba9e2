"""Parameters of a ladder to its steps."""

from __future__ import annotations

from typing import Annotated, Any

from cinemill.capabilities.streaming import kinds
from cinemill.core.encoding.rendition import Purpose
from cinemill.core.job import StepSpec
from cinemill.core.parameters import Parameters, choice_of, none_as
from cinemill.steps.source.plan import SourceParameters, plan_source


class RungsParameters(Parameters):
    """How the renditions for adaptive playback are encoded."""

    preset: Annotated[Purpose, choice_of(Purpose), none_as(Purpose.WEB)] = Purpose.WEB
    """Purpose, which sets how much effort the encoder makes and how good the video is."""
    best_effort: Annotated[bool, none_as(False)] = False
    """Of a damaged or truncated video, encode what can be decoded, and list what is missing."""


class LadderParameters(SourceParameters, RungsParameters):
    """A video prepared for adaptive playback (HLS and DASH)."""


def plan_ladder(params: LadderParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan a video for adaptive streaming: playable as it is first, while the rungs are encoded.

    Raises InputRejected (``source_missing``).
    """
    values: dict[str, Any] = {"preset": params.preset.value}
    if params.best_effort:
        values["best_effort"] = True
    return [
        *plan_source("make_ladder", params, asset_id),
        StepSpec("open", kinds.OPEN_STREAM, after=("probe",)),
        StepSpec("ladder", kinds.BUILD_LADDER, values, after=("probe", "open")),
    ]
