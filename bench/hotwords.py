"""Names given to speech recognition: how many more it hears, and whether it invents any.

``CINEMILL_BENCH_CORPUS`` is a corpus that ``cinemill evaluate corpus make`` made; its split test is
not heard. An error is a word of a name that was replaced or left out, after aligning what was heard
with what was said; a name that was heard more often than it was said is an invented one.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
from tests.corpora import open_session
from tests.model_files import fetch_models
from tests.speech import bare_words, word_error_rate

from bench.report import BenchRow, print_table
from cinemill.capabilities.search.evaluation.making.corpus_files import CorpusFolder
from cinemill.capabilities.search.evaluation.making.truth import TrueVideo
from cinemill.capabilities.search.evaluation.plan.records import Split
from cinemill.capabilities.search.evaluation.plan.words import (
    PLACES,
    list_organizations,
    list_people,
)
from cinemill.core.knowledge.gazetteer import Gazetteer, KnownName
from cinemill.core.knowledge.graph import EntityKind
from cinemill.core.transcript import SpeechTask
from cinemill.inference.models.catalog import get_card
from cinemill.inference.speech.audio import SAMPLE_RATE_HZ, PcmAudio, Span, memory_map
from cinemill.inference.speech.model import SpeechModel, open_speech_model
from cinemill.media.probe.probe import probe
from cinemill.steps.source.audio_samples import extract_samples

MODEL = "tiny.en"
CORPUS = os.environ.get("CINEMILL_BENCH_CORPUS")
VIDEOS = int(os.environ.get("CINEMILL_BENCH_VIDEOS", "10"))
FIND_SPEECH = "cinemill.inference.speech.model.find_speech"
EVERY_NAME = Gazetteer(
    [
        *(KnownName(name, EntityKind.PERSON) for name in list_people()),
        *(KnownName(name, EntityKind.ORGANIZATION) for name in list_organizations()),
        *(KnownName(name, EntityKind.PLACE) for name in PLACES),
    ]
)
"""From which the corpus was put together: more than a model can be given."""


@dataclass(frozen=True, slots=True)
class SpokenVideo:
    """What is said in a video, with its audio."""

    text: str
    audio: PcmAudio

    @property
    def names(self) -> list[str]:
        return list_names(self.text)


def measure() -> list[BenchRow]:
    """Hear the same videos without names, with their own, and with those of all of them."""
    if CORPUS is None:
        missing = "CINEMILL_BENCH_CORPUS names no corpus"
        return [BenchRow("hotwords: words of names that are misheard", None, None, "%", missing)]
    model = open_speech_model(get_card(MODEL), fetch_models(MODEL))
    with tempfile.TemporaryDirectory() as folder:
        videos = [_open(CorpusFolder(Path(CORPUS)), one, Path(folder)) for one in _choose()]
        every = sorted({name for one in videos for name in one.names})
        rows = _measure(model, "no names", videos, [[] for _ in videos])
        rows += _measure(model, "their own", videos, [sorted(set(v.names)) for v in videos])
        rows += _measure(model, f"all {len(every)} in each", videos, [every for _ in videos])
        return rows + _measure_nothing(model, every)


def list_names(text: str) -> list[str]:
    """Return the corpus' names that a text has, in order."""
    return [known.name for known, _span in EVERY_NAME.find(text)]


def count_misheard(said: str, heard: str) -> tuple[int, int]:
    """Return how many words of names were replaced or left out, and how many there are."""
    reference, marks = [], []
    position = 0
    for known, span in EVERY_NAME.find(said):
        before, words = bare_words(said[position : span.start]), bare_words(known.name)
        reference += [*before, *words]
        marks += [*[False] * len(before), *[True] * len(words)]
        position = span.end
    rest = bare_words(said[position:])
    right = align(reference + rest, bare_words(heard))
    named = [ok for ok, is_name in zip(right, marks, strict=False) if is_name]
    return named.count(False), len(named)


def align(reference: Sequence[str], heard: Sequence[str]) -> list[bool]:
    """Return for each word of the reference whether it was heard, by the least edits."""
    costs = np.zeros((len(reference) + 1, len(heard) + 1), np.int32)
    costs[:, 0], costs[0, :] = range(len(reference) + 1), range(len(heard) + 1)
    for row, word in enumerate(reference, start=1):
        for column, other in enumerate(heard, start=1):
            costs[row, column] = min(
                costs[row - 1, column - 1] + (word != other),
                costs[row, column - 1] + 1,
                costs[row - 1, column] + 1,
            )
    right = [False] * len(reference)
    row, column = len(reference), len(heard)
    while row and column:
        is_same = reference[row - 1] == heard[column - 1]
        if costs[row, column] == costs[row - 1, column - 1] + (not is_same):
            right[row - 1] = is_same
            row, column = row - 1, column - 1
        elif costs[row, column] == costs[row - 1, column] + 1:
            row -= 1
        else:
            column -= 1
    return right


def _choose() -> Iterator[TrueVideo]:
    videos = CorpusFolder(Path(str(CORPUS))).read_videos().values()
    return iter([one for one in videos if one.split is not Split.TEST][:VIDEOS])


def _open(corpus: CorpusFolder, video: TrueVideo, folder: Path) -> SpokenVideo:
    work = folder / video.name
    work.mkdir()
    session = open_session(work)
    path = corpus.locate_video(video.name)
    info = probe(path, session.limits, sandbox=session.sandbox)
    audio = memory_map(extract_samples(session, path, info, prepared=None))
    return SpokenVideo(video.to_transcript().text, np.array(audio))


def _measure(
    model: SpeechModel, label: str, videos: Sequence[SpokenVideo], names: Sequence[Sequence[str]]
) -> list[BenchRow]:
    wrong = spoken = given = 0
    invented: Counter[str] = Counter()
    said, heard = [], []
    for video, listed in zip(videos, names, strict=True):
        text, hotwords = transcribe(model, video.audio, listed)
        misheard, count = count_misheard(video.text, text)
        wrong, spoken, given = wrong + misheard, spoken + count, given + len(hotwords)
        invented += Counter(list_names(text)) - Counter(video.names)
        said.append(video.text)
        heard.append(text)
    how = f"{spoken} words in {len(videos)} videos, {given / len(videos):.0f} names given to each"
    found = ", ".join(name for name, _count in invented.most_common(5))
    return [
        BenchRow(
            f"hotwords: misheard words of names, {label}", wrong / spoken * 100, None, "%", how
        ),
        BenchRow(
            f"hotwords: word error rate, {label}",
            word_error_rate(" ".join(said), " ".join(heard)) * 100,
            None,
            "%",
        ),
        BenchRow(f"hotwords: invented names, {label}", invented.total(), None, "", found),
    ]


def _measure_nothing(model: SpeechModel, names: Sequence[str]) -> list[BenchRow]:
    """Count what is heard where nobody speaks, also where the search for speech is passed over."""
    rows = []
    for label, audio in make_sounds().items():
        text, _ = transcribe(model, audio, names)
        with patch(FIND_SPEECH, lambda audio, _check: iter([Span(0, len(audio))])):
            given, _ = transcribe(model, audio, names)
        rows += [
            BenchRow(f"hotwords: words heard in {label}", len(bare_words(text)), 0),
            BenchRow(
                f"hotwords: names heard in {label}, taken for speech",
                len(list_names(given)),
                0,
                "",
                given[:60],
            ),
        ]
    return rows


def make_sounds(seconds: int = 30) -> dict[str, PcmAudio]:
    """Return sounds without speech: silence, noise, a chord that swells, and a melody."""
    time = np.arange(seconds * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    noise = np.random.default_rng(1).normal(0, 3000, len(time))
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (220, 277.2, 329.6, 440))
    notes = np.array([261.6, 293.7, 329.6, 349.2, 392, 440, 493.9, 523.3])
    melody = np.sin(2 * np.pi * np.cumsum(notes[(time * 2).astype(int) % 8]) / SAMPLE_RATE_HZ)
    sounds = {
        "silence": np.zeros(len(time)),
        "noise": noise,
        "a chord": 4000 * chord * (1 + np.sin(2 * np.pi * time / 3)) / 2,
        "a melody": 9000 * melody * np.exp(-3 * (time * 2 % 1)),
    }
    return {name: sound.clip(-32768, 32767).astype(np.int16) for name, sound in sounds.items()}


def transcribe(
    model: SpeechModel, audio: PcmAudio, names: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """Return what is heard, and the names that the model was given."""
    found = model.transcribe(
        audio,
        language="en",
        task=SpeechTask.TRANSCRIBE,
        on_progress=lambda _share: None,
        should_stop=lambda: None,
        names=names,
    )
    text = " ".join(one.text for one in found.utterances)
    return re.sub(r"\s+", " ", text), found.hotwords


if __name__ == "__main__":
    print_table(measure())
