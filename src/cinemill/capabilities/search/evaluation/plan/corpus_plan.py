"""The plan of a corpus: what is said, shown and asked, from a seed alone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from random import Random

from cinemill.capabilities.search.evaluation.plan.catalog import FAMILIES
from cinemill.capabilities.search.evaluation.plan.decks import Decks
from cinemill.capabilities.search.evaluation.plan.questions import (
    ask_scenes,
    follow_up,
    place_scenes,
)
from cinemill.capabilities.search.evaluation.plan.records import (
    CorpusPlan,
    PlannedVideo,
    Question,
    Split,
)
from cinemill.capabilities.search.evaluation.plan.scenes import deal_families, draw_scenes
from cinemill.errors import InputRejected

SEED = 11
MOST_VIDEOS = 80
"""More would need more names than there are."""
MOST_SCENES = 8


class CorpusSizeInvalid(InputRejected):
    """A corpus of this size cannot be planned."""

    code = "corpus_size_invalid"
    hint = f"Choose 2 to {MOST_VIDEOS} videos of 2 to {MOST_SCENES} scenes each."


@dataclass(frozen=True, slots=True)
class CorpusSize:
    """How much is planned. Half of the videos are for tuning, a quarter each for the rest."""

    videos: int = 60
    scenes: int = MOST_SCENES
    """Of each video."""

    def __post_init__(self) -> None:
        if not (2 <= self.videos <= MOST_VIDEOS and 2 <= self.scenes <= MOST_SCENES):
            raise CorpusSizeInvalid(
                f"{self.videos} videos of {self.scenes} scenes cannot be planned."
            )

    def count_videos(self) -> dict[Split, int]:
        """Return the number of videos of each split."""
        tune = (self.videos + 1) // 2
        validate = (self.videos - tune + 1) // 2
        test = self.videos - tune - validate
        return {Split.TUNE: tune, Split.VALIDATE: validate, Split.TEST: test}


def make_plan(seed: int = SEED, size: CorpusSize | None = None) -> CorpusPlan:
    """Return the plan for a seed and a size; without a size, 60 videos and 1,470 questions.

    The splits share neither videos nor families nor names. A third of the questions have no answer,
    and one follow-up question is asked for every two videos, as far as there are scenes for it.
    """
    size = size or CorpusSize()
    random = Random(seed)  # noqa: S311 - a corpus has no secrets
    decks = Decks(random)
    videos: list[PlannedVideo] = []
    for split, count in size.count_videos().items():
        decks.start_split()
        for families in deal_families(FAMILIES[split], count, size.scenes, random):
            scenes = draw_scenes(families, decks)
            videos.append(PlannedVideo(f"v{len(videos) + 1:02d}", split, scenes))
    return CorpusPlan(seed, tuple(videos), tuple(_list_questions(videos, decks)))


def _list_questions(videos: list[PlannedVideo], decks: Decks) -> list[Question]:
    kinds = cycle(("pronoun", "other", "miss"))
    questions: list[Question] = []
    asked = 0
    for split in Split:
        own = [video for video in videos if video.split is split]
        placed = place_scenes(own)
        questions += ask_scenes(placed, decks)
        until = sum(video.split in _up_to(split) for video in videos) // 2
        seconds = list(follow_up(placed, until - asked, kinds, decks))
        asked += len(seconds)
        questions += seconds
    return questions


def _up_to(split: Split) -> tuple[Split, ...]:
    order = tuple(Split)
    return order[: order.index(split) + 1]
