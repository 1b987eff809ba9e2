"""Tags: what frames show as a whole, one finding for each tag of a shot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cinemill.capabilities.analysis.sampled_frames import SampledFrame, find_shot
from cinemill.core.findings.finding import Finding, FindingModel
from cinemill.core.frames import Shot
from cinemill.inference.models.analysis.image_names import IMAGENET_NAMES
from cinemill.inference.tags.tagger import Tagger, make_tag_card

_CARD = make_tag_card()
_REVISION = f"{_CARD.revision[:32]}+{IMAGENET_NAMES.revision[:31]}"
"""Other names of the classes are other findings too."""
TAG_MODEL = FindingModel("local", f"{_CARD.name}-tags", _REVISION, version=1)


def find_tags(sampled: SampledFrame, tagger: Tagger) -> list[Finding]:
    """Return the tags of one frame, the most certain first; often there are none.

    Raises OutOfMemory.
    """
    (found,) = tagger.tag([sampled.frame.pixels])
    return [Finding(sampled.start_ms, sampled.end_ms, tag.name, tag.confidence) for tag in found]


def group_tags(sightings: Iterable[Finding], shots: Sequence[Shot]) -> list[Finding]:
    """Return one finding for each tag of a shot, in order of time, then by name.

    It lasts from the first frame with the tag to the last, and has its highest confidence; its
    details say how many frames have it.
    """
    groups: dict[tuple[int, str], list[Finding]] = {}
    for one in sightings:
        groups.setdefault((find_shot(shots, one.start_ms), one.label), []).append(one)
    grouped = [
        Finding(
            min(one.start_ms for one in group),
            max(one.end_ms for one in group),
            label,
            max(one.confidence or 0.0 for one in group),
            details={"frames": len({one.start_ms for one in group})},
        )
        for (_, label), group in groups.items()
    ]
    return sorted(grouped, key=lambda one: (one.start_ms, one.end_ms, one.label))
