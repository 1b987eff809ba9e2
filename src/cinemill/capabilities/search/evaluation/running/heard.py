"""What a speech model hears in a corpus' videos, kept next to them: it takes minutes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from cinemill.capabilities.search.evaluation.making.corpus_files import CorpusFolder, CorpusInvalid
from cinemill.capabilities.search.evaluation.making.make_corpus import OpenSession
from cinemill.core.transcript import SpeechTask, Transcript
from cinemill.inference.models.cards import ModelCard
from cinemill.inference.speech.audio import memory_map
from cinemill.inference.speech.model import SpeechModel
from cinemill.media.probe.probe import probe
from cinemill.steps.source.audio_samples import extract_samples

HEARD_FOLDER = "heard"
LARGEST_FILE_BYTES = 4 * 1024 * 1024
_TRANSCRIPT = TypeAdapter(Transcript)
_UNSAFE = re.compile(r"[^\w.-]")


class HeardCorpus:
    """Transcripts of a corpus by one speech model."""

    def __init__(
        self, corpus: CorpusFolder, card: ModelCard, model: SpeechModel, open_session: OpenSession
    ) -> None:
        """Write below the corpus' folder, in one named after the model and its revision."""
        self._corpus = corpus
        self._card = card
        self._model = model
        self._open_session = open_session
        name = _UNSAFE.sub("-", f"{card.name}-{card.revision[:12]}")
        self._folder = corpus.root / HEARD_FOLDER / name

    def transcribe(
        self, name: str, *, should_stop: Callable[[], Exception | None] = lambda: None
    ) -> Transcript:
        """Return what is heard in a video; the model runs where that is not known yet.

        Raises CorpusInvalid, MediaRejected, OutputInvalid, CommandFailed, and what ``should_stop``
        returns.
        """
        path = self._folder / self._corpus.locate_video(name).with_suffix(".json").name
        if path.is_file():
            return _read(path)
        transcript = self._run(self._corpus.locate_video(name), should_stop)
        self._folder.mkdir(parents=True, exist_ok=True)
        staged = path.with_suffix(".part")
        staged.write_bytes(_TRANSCRIPT.dump_json(transcript) + b"\n")
        staged.replace(path)
        return transcript

    def _run(self, video: Path, should_stop: Callable[[], Exception | None]) -> Transcript:
        with tempfile.TemporaryDirectory(prefix=".heard-", dir=self._corpus.root) as work:
            session = self._open_session(Path(work))
            info = probe(video, session.limits, sandbox=session.sandbox)
            samples = extract_samples(session, video, info, prepared=None)
            found = self._model.transcribe(
                memory_map(samples),
                language=None,
                task=SpeechTask.TRANSCRIBE,
                on_progress=lambda _share: None,
                should_stop=should_stop,
            )
        return Transcript(
            self._card.name,
            self._card.revision,
            found.language,
            SpeechTask.TRANSCRIBE,
            found.utterances,
            {},
        )


def _read(path: Path) -> Transcript:
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE_BYTES)
    try:
        return _TRANSCRIPT.validate_json(content)
    except ValidationError as damaged:
        raise CorpusInvalid(
            f"{path} is damaged: {damaged.error_count()} errors.", hint="Delete this file."
        ) from damaged
