"""What the commands of ``cinemill evaluate`` open: the corpus, the models and a database."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar
from uuid import uuid4

import typer

from cinemill.cli import connect
from cinemill.cli.arguments.choices import SpeechModel
from cinemill.cli.console import print_message

if TYPE_CHECKING:
    from cinemill.capabilities.search.evaluation.making.corpus_files import CorpusFolder
    from cinemill.capabilities.search.evaluation.making.truth import TrueVideo
    from cinemill.capabilities.search.evaluation.metrics.records import AskedQuestion
    from cinemill.capabilities.search.evaluation.plan.records import Split
    from cinemill.capabilities.search.evaluation.running.library import CorpusLibrary
    from cinemill.capabilities.search.language.similarity import EmbeddedWords
    from cinemill.config import Settings
    from cinemill.core.documents import JsonObject
    from cinemill.core.transcript import Transcript
    from cinemill.inference.text.protocol import TextEmbedder
    from cinemill.media.ffmpeg.session import FfmpegSession
    from cinemill.storage.database import Database

CorpusFolderArgument = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Folder of the corpus.", file_okay=False)
]
Final = Annotated[
    bool,
    typer.Option(
        "--final",
        help=(
            "Measure the test split instead, and record the commit of the working copy in this "
            "folder. To be used once a choice is final."
        ),
    ),
]
Heard = Annotated[
    SpeechModel | None,
    typer.Option(
        "--heard",
        help="Also search what this speech model hears, such as tiny.en, in the same videos.",
    ),
]
TEXT_MODEL = "minilm-l6-v2-int8"
TRUE_TRACK = "true transcript"
_OWNER = "evaluation"


@dataclass(frozen=True, slots=True)
class EvaluationSetup:
    """An opened corpus with the questions that are measured, by split."""

    settings: Settings
    corpus: CorpusFolder
    videos: Mapping[str, TrueVideo]
    """That are searched."""
    questions: Mapping[Split, Sequence[AskedQuestion]]
    embedder: TextEmbedder
    compare_words: EmbeddedWords
    model_name: str
    model_revision: str
    models_folder: Path


@dataclass(frozen=True, slots=True)
class TrackPlace:
    """Where a track of the corpus is stored while it is measured."""

    database: Database
    owner: str
    heard: Mapping[str, Transcript] | None
    """What a speech model hears, by video; None for what is truly said."""


class Figures(Protocol):
    """What is measured of one split."""

    def to_json(self) -> JsonObject:
        """Return plain JSON values."""
        ...


_Result = TypeVar("_Result")


def log_quietly() -> None:
    """Show warnings only: each of a thousand searches logs where it goes."""
    from cinemill.telemetry import log_warnings_only

    log_warnings_only()


def open_setup(folder: Path, *, final: bool) -> EvaluationSetup:
    """Return what is measured: the splits tune and validate, or the split test.

    Raises CorpusInvalid, CommitInvalid, ToolMissing (``model_missing`` and others).
    """
    from cinemill.capabilities.search.evaluation.making.corpus_files import CorpusFolder
    from cinemill.capabilities.search.evaluation.metrics.records import locate_questions
    from cinemill.capabilities.search.evaluation.plan.records import Split
    from cinemill.capabilities.search.language.similarity import EmbeddedWords
    from cinemill.inference.models.cards import MODELS_FOLDER
    from cinemill.inference.text.onnx_embedder import find_text_card, open_text_embedder

    log_quietly()
    settings = connect.load_settings()
    models = settings.home / MODELS_FOLDER
    card = find_text_card(TEXT_MODEL, models)
    embedder = open_text_embedder(card.name, models)
    corpus = CorpusFolder(folder)
    every = corpus.read_videos()
    if final:
        from cinemill.capabilities.search.evaluation.making.commit import read_commit

        asked = corpus.read_final_questions(commit=read_commit(Path.cwd()))
    else:
        # Those of the split test are not even searched: what they say is for --final only.
        every = {name: one for name, one in every.items() if one.split is not Split.TEST}
        asked = corpus.read_questions()
    splits = dict.fromkeys(question.split for question in asked)
    questions = {
        split: locate_questions([one for one in asked if one.split is split], every)
        for split in splits
    }
    return EvaluationSetup(
        settings=settings,
        corpus=corpus,
        videos=every,
        questions=questions,
        embedder=embedder,
        compare_words=EmbeddedWords(embedder),
        model_name=card.name,
        model_revision=card.revision,
        models_folder=models,
    )


def make_session_opener(settings: Settings) -> Callable[[Path], FfmpegSession]:
    """Return what opens an FFmpeg session in a folder."""
    from cinemill.media.ffmpeg.binary import find_ffmpeg
    from cinemill.media.ffmpeg.limits import Limits
    from cinemill.media.ffmpeg.sandbox import detect_sandbox
    from cinemill.media.ffmpeg.session import FfmpegSession

    program, sandbox = find_ffmpeg(settings.ffmpeg_path), detect_sandbox(settings.sandbox)
    return lambda folder: FfmpegSession(program, folder, Limits(), sandbox)


def transcribe(setup: EvaluationSetup, model: str) -> dict[str, Transcript]:
    """Return what a speech model hears in each video, by name; kept in the corpus' folder.

    Raises NotFound for an unknown model, ToolMissing, and what transcribing raises.
    """
    from cinemill.capabilities.search.evaluation.running.heard import HeardCorpus
    from cinemill.inference.models.catalog import get_card
    from cinemill.inference.speech.model import open_speech_model

    card = get_card(model)
    heard = HeardCorpus(
        setup.corpus,
        card,
        open_speech_model(card, setup.models_folder),
        make_session_opener(setup.settings),
    )
    transcripts = {}
    for name in setup.videos:
        transcripts[name] = heard.transcribe(name)
        print_message(f"{name}: transcribed by {model}")
    return transcripts


@contextmanager
def open_track(setup: EvaluationSetup, place: TrackPlace) -> Iterator[CorpusLibrary]:
    """Store the corpus for an owner until the block ends: what is truly said, or heard."""
    from cinemill.capabilities.search.evaluation.running.library import open_library
    from cinemill.capabilities.search.evaluation.running.video_passages import make_video_passages

    passages = {
        name: make_video_passages(video, None if place.heard is None else place.heard[name])
        for name, video in setup.videos.items()
    }
    with open_library(
        place.database,
        setup.embedder,
        passages,
        owner=place.owner,
        name=setup.model_name,
        revision=setup.model_revision,
    ) as library:
        yield library


def evaluate_tracks(
    setup: EvaluationSetup, heard: str | None, evaluate: Callable[[TrackPlace], _Result]
) -> dict[str, _Result]:
    """Return what is measured of the true transcript, and of what the model ``heard`` hears.

    The keys are ``TRUE_TRACK`` and the model's name. Raises what ``transcribe`` raises.
    """
    transcripts = transcribe(setup, heard) if heard else None
    with open_database(setup.settings) as (database, owner):
        tracks = {TRUE_TRACK: evaluate(TrackPlace(database, owner, None))}
        if heard is not None:
            tracks[heard] = evaluate(TrackPlace(database, f"{owner}-heard", transcripts))
    return tracks


def write_tracks(tracks: Mapping[str, Mapping[Split, Figures]]) -> dict[str, JsonObject]:
    """Return the figures by track and split as plain JSON values."""
    return {
        track: {split.value: one.to_json() for split, one in splits.items()}
        for track, splits in tracks.items()
    }


@contextmanager
def open_database(settings: Settings) -> Iterator[tuple[Database, str]]:
    """Open the database of DATABASE_URL, else a temporary PostgreSQL; with an owner for it.

    Call it from the main thread. In a shared database the owner is a new one each time.
    """
    from cinemill.local.embedded_servers import embedded_servers
    from cinemill.storage.database import Database, migrate

    if settings.session_database_url is not None:
        database = Database(settings.session_database_url)
        try:
            yield database, f"{_OWNER}-{uuid4().hex}"
        finally:
            database.close()
        return
    with (
        tempfile.TemporaryDirectory(prefix="cinemill-evaluate-") as folder,
        embedded_servers(Path(folder) / "home") as servers,
    ):
        migrate(servers.database_url)
        database = Database(servers.database_url)
        try:
            yield database, _OWNER
        finally:
            database.close()
