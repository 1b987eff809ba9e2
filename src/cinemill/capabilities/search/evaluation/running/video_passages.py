"""A made video's passages: what is said in it, truly or as a model hears it, and what it shows.

Signs and pictures are the true ones on both tracks: no model that Cinemill has by itself names
shapes on a colored background. Cuts are the true ones as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cinemill.capabilities.search.evaluation.making.truth import LANGUAGE, TrueVideo
from cinemill.capabilities.search.picture_passages import make_picture_passages
from cinemill.core.findings.finding import Finding
from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.core.transcript import Transcript
from cinemill.steps.ingestion.speech_passages import make_passages

VideoPassages = Mapping[PassageTrack, Sequence[Passage]]


def make_video_passages(video: TrueVideo, transcript: Transcript | None = None) -> VideoPassages:
    """Return the passages of a video by track; without a transcript, of what is truly said."""
    cuts_ms = video.cuts_ms
    signs = [Finding(scene.start_ms, scene.end_ms, scene.sign) for scene in video.scenes]
    pictures = [
        Finding(scene.start_ms, scene.end_ms, scene.picture.describe()) for scene in video.scenes
    ]
    return {
        PassageTrack.SPEECH: make_passages(transcript or video.to_transcript(), cuts_ms),
        PassageTrack.TEXT: make_picture_passages(signs, cuts_ms, PassageTrack.TEXT),
        PassageTrack.PICTURE: make_picture_passages(
            pictures, cuts_ms, PassageTrack.PICTURE, language=LANGUAGE
        ),
    }
