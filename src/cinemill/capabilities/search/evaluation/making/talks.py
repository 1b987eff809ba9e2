"""Long talks, joined from scenes of a corpus: each chapter has scenes of one family in a row.

The scenes of one video are eight unrelated facts, each as long as a passage. What is joined here
has subjects that last for a minute and more, as Choi's test of segmentation has ("Advances in
domain independent linear text segmentation", NAACL 2000). Pure.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cinemill.capabilities.search.evaluation.making.corpus_files import CorpusInvalid
from cinemill.capabilities.search.evaluation.making.truth import TrueScene, TrueVideo
from cinemill.core.transcript import SpeechTask, Transcript, Utterance, Word, list_words

LEAST_SCENES, MOST_SCENES = 8, 14
"""Of a chapter: one to two minutes."""
CHAPTERS_OF_A_TALK = 6


@dataclass(frozen=True, slots=True)
class _Said:
    """What is said in a scene, counted from the scene's beginning."""

    duration_ms: int
    utterances: tuple[Utterance, ...]


@dataclass(frozen=True, slots=True)
class Talk:
    """Scenes that were joined, and when each chapter begins."""

    name: str
    transcript: Transcript
    starts_ms: tuple[int, ...]
    """Of the chapters; the first is 0."""
    cuts_ms: tuple[int, ...]
    """Between any two scenes."""
    duration_ms: int


def join_talks(
    videos: Iterable[TrueVideo],
    transcripts: Mapping[str, Transcript] | None,
    *,
    number: int,
    chapters: int = CHAPTERS_OF_A_TALK,
    name: str = "talk",
    seed: int = 0,
) -> list[Talk]:
    """Return talks whose chapters are drawn from the scenes of these videos.

    ``transcripts`` are what is heard in them, by name; without them, what is truly said is joined.
    Neighbouring chapters are of different families; with one chapter, a talk has one subject, and
    all scenes of its family. The same arguments make the same talks. Raises CorpusInvalid where too
    few families have eight scenes.
    """
    families: dict[str, list[_Said]] = defaultdict(list)
    model = "truth"
    for video in videos:
        transcript = video.to_transcript() if transcripts is None else transcripts[video.name]
        model = transcript.model
        for scene in video.scenes:
            families[scene.family].append(_cut_scene(scene, transcript))
    usable = {name: said for name, said in sorted(families.items()) if len(said) >= LEAST_SCENES}
    if len(usable) < min(2, chapters):
        raise CorpusInvalid(
            "This corpus is too small: no two kinds of fact have eight scenes.",
            hint="Make a corpus of sixty videos.",
        )
    drawing = random.Random(seed)  # noqa: S311 - the same talks each time
    return [_join(f"{name}-{at}", model, usable, chapters, drawing) for at in range(number)]


def _cut_scene(scene: TrueScene, transcript: Transcript) -> _Said:
    within = [
        word
        for word in list_words(transcript.utterances)
        if scene.start_ms <= (word.start_ms + word.end_ms) / 2 < scene.end_ms
    ]
    words = tuple(
        Word(
            max(0, word.start_ms - scene.start_ms),
            max(0, word.end_ms - scene.start_ms),
            word.text,
            word.probability,
        )
        for word in within
    )
    said = (
        (Utterance(words[0].start_ms, words[-1].end_ms, "".join(one.text for one in words), words),)
        if words
        else ()
    )
    return _Said(scene.end_ms - scene.start_ms, said)


def _join(
    name: str,
    model: str,
    families: Mapping[str, Sequence[_Said]],
    chapters: int,
    drawing: random.Random,
) -> Talk:
    utterances: list[Utterance] = []
    starts_ms: list[int] = []
    cuts_ms: list[int] = []
    now_ms, last = 0, ""
    for _ in range(chapters):
        last = drawing.choice([one for one in families if one != last])
        starts_ms.append(now_ms)
        there = len(families[last])
        count = there if chapters == 1 else min(there, drawing.randint(LEAST_SCENES, MOST_SCENES))
        for scene in drawing.sample(families[last], count):
            cuts_ms.append(now_ms)
            utterances += [_shift(one, now_ms) for one in scene.utterances]
            now_ms += scene.duration_ms
    transcript = Transcript(model, "", "en", SpeechTask.TRANSCRIBE, tuple(utterances), {})
    return Talk(name, transcript, tuple(starts_ms), tuple(cuts_ms[1:]), now_ms)


def _shift(one: Utterance, by_ms: int) -> Utterance:
    words = tuple(
        Word(word.start_ms + by_ms, word.end_ms + by_ms, word.text, word.probability)
        for word in one.words
    )
    return Utterance(one.start_ms + by_ms, one.end_ms + by_ms, one.text, words)
