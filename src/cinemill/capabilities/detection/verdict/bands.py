"""Verdict bands: what is said of a video, and no finer."""

from __future__ import annotations

from enum import StrEnum


class Band(StrEnum):
    """The outcome of an analysis. No band says that a video is what it claims to be."""

    LIKELY_MANIPULATED = "likely_manipulated"
    NO_MANIPULATION_FOUND = "no_manipulation_found"
    INCONCLUSIVE = "inconclusive"
    NO_FACE = "no_face"
    NO_MODEL = "no_model"
    FAILED = "failed"

    @property
    def is_decided(self) -> bool:
        """Whether the band is a decision; every other band is an abstention."""
        return self in {Band.LIKELY_MANIPULATED, Band.NO_MANIPULATION_FOUND}

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Band.LIKELY_MANIPULATED: "A face in this video is likely manipulated.",
    Band.NO_MANIPULATION_FOUND: (
        "No manipulation was found. A manipulation of a kind that the detector was not trained on "
        "can be missed."
    ),
    Band.INCONCLUSIVE: "The analysis cannot decide whether a face in this video is manipulated.",
    Band.NO_FACE: "No face was found in the frames that were examined, so nothing was scored.",
    Band.NO_MODEL: "No trained detector is installed, so nothing was scored.",
    Band.FAILED: "The analysis failed, so nothing was scored.",
}
