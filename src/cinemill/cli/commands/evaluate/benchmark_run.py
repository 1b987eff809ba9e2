"""The videos of a benchmark on a server: ingested, searched, and asked about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cinemill.cli.console import print_message
from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from cinemill.capabilities.search.evaluation.benchmarks.records import ChoiceBenchmark
    from cinemill.capabilities.search.evaluation.metrics.records import AskedQuestion, Moment
    from cinemill.capabilities.search.evaluation.metrics.report import EvaluationReport
    from cinemill.cli.progress import Display
    from cinemill.client import Client
    from cinemill.client.search_documents import HitDocument, PictureMomentDocument
    from cinemill.core.documents import JsonObject
    from cinemill.inference.language_models.protocol import LanguageModel

HITS = 100
"""That a video is looked for in: the most that a search returns."""
MOMENTS = 10
"""Of a video, that windows are compared with."""
EVIDENCE = 8
"""Hits that a language model is shown, as many as an answer is drawn from."""
MOST_NARROWED = 100
"""Videos that a search is narrowed to by their ids: so many fit into an address, with a query."""
LONGEST_QUERY = 1_000
PROGRESS_EVERY = 50
PICTURES_IMPOSSIBLE = frozenset({"text_tower_missing", "model_missing"})
"""Codes of errors with which no picture is found by words."""

Asked = TypeVar("Asked")
Found = Sequence["HitDocument | PictureMomentDocument"]


@dataclass(frozen=True, slots=True)
class IngestedVideos:
    """What came of the videos that are there."""

    assets: Mapping[str, str] = field(default_factory=dict)
    """Ids by the names of videos that were ingested."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Codes of errors by the names of the others."""
    gaps: Mapping[str, int] = field(default_factory=dict)
    """Number of videos by the code of what could not be found out in them."""


@dataclass(slots=True)
class Library:
    """Ingested videos on a server."""

    client: Client
    collection: str
    assets: Mapping[str, str]
    has_pictures: bool
    """Whether they may be found by what they show."""
    pictures_missing: str = ""
    """Code of the reason why pictures cannot be found by words; empty if they can."""

    def find(self, query: str, asset_ids: Sequence[str], limit: int) -> dict[str, Found]:
        """Return the best moments for a query, by what found them.

        Moments count where the search says that nothing was found, too: their order is measured.
        """
        text, collections = query[:LONGEST_QUERY], [self.collection]
        rankings: dict[str, Found] = {}
        with _nothing_for_empty_queries():
            found = self.client.search(
                text, limit=limit, asset_ids=asset_ids, collections=collections
            )
            rankings["search"] = found.get("hits") or found.get("nearest") or []
        rankings.setdefault("search", [])
        if self.has_pictures:
            self._find_pictures(rankings, text, asset_ids, limit)
        return rankings

    def _find_pictures(
        self, rankings: dict[str, Found], text: str, asset_ids: Sequence[str], limit: int
    ) -> None:
        from cinemill.client import ClientError

        try:
            with _nothing_for_empty_queries():
                shown = self.client.search_pictures(
                    text, limit=limit, asset_ids=asset_ids, collections=[self.collection]
                )
                rankings["pictures"] = shown.get("moments") or []
        except ClientError as error:
            if error.code not in PICTURES_IMPOSSIBLE:
                raise
            self.has_pictures, self.pictures_missing = False, error.code
            return
        rankings.setdefault("pictures", [])


@contextmanager
def _nothing_for_empty_queries() -> Iterator[None]:
    """Pass over the error of what cannot be searched for, such as "?!"."""
    from cinemill.client import ClientError

    try:
        yield
    except ClientError as error:
        if not error.code.startswith("query_"):
            raise


def ingest_videos(
    client: Client, display: Display, files: Mapping[str, Path], profile: str, collection: str
) -> IngestedVideos:
    """Ingest videos into a collection, and wait for all of them."""
    from cinemill.cli.commands.process import send_and_follow
    from cinemill.cli.uploads import UploadBatch, upload_videos

    batch = UploadBatch(params={"profile": profile}, collection=collection)
    sent = send_and_follow(
        client,
        lambda client, display, sent: upload_videos(client, files, batch, display, sent),
        display,
    )
    assets: dict[str, str] = {}
    failed = {name: error.code for name, error in sent.errors.items()}
    gaps: Counter[str] = Counter()
    for name, job_id in sent.job_ids.items():
        if name in failed:
            continue
        try:
            job = client.job(job_id)
        except CinemillError as error:
            failed[name] = error.code
            continue
        if job.get("status") != "completed":
            failed[name] = str((job.get("error") or {}).get("code") or job.get("status"))
            continue
        assets[name] = str(job.get("asset_id"))
        found = (job.get("result") or {}).get("gaps") or ()
        gaps.update(f"{gap.get('subject')}: {gap.get('code')}" for gap in found)
    return IngestedVideos(assets, failed, dict(gaps))


def measure_captions(library: Library, questions: Sequence[AskedQuestion]) -> EvaluationReport:
    """Return how high the video of each caption is ranked among all of them.

    The collection may hold videos of an earlier run. They are not searched if this run has at most
    100 videos, and never counted.
    """
    from cinemill.capabilities.search.evaluation.benchmarks.ranks import find_rank, measure_ranks
    from cinemill.capabilities.search.evaluation.metrics.report import EvaluationReport

    known = set(library.assets.values())
    narrowed = sorted(known) if len(known) <= MOST_NARROWED else ()
    ranks: dict[str, list[int | None]] = {}
    for question in _count(questions):
        for name, found in library.find(question.text, narrowed, HITS).items():
            ranked = [one["asset_id"] for one in found if one["asset_id"] in known]
            rank = find_rank(ranked, library.assets[question.video])
            ranks.setdefault(name, []).append(rank)
    return EvaluationReport(
        {name: measure_ranks(questions, found, last=len(known)) for name, found in ranks.items()}
    )


def measure_moments(library: Library, questions: Sequence[AskedQuestion]) -> EvaluationReport:
    """Return how well the moments of each query are found in its video."""
    from cinemill.capabilities.search.evaluation.benchmarks.windows import measure_windows
    from cinemill.capabilities.search.evaluation.metrics.report import EvaluationReport

    moments: dict[str, list[list[Moment]]] = {}
    for question in _count(questions):
        asset_id = library.assets[question.video]
        for name, found in library.find(question.text, [asset_id], MOMENTS).items():
            moments.setdefault(name, []).append([_read(one, question.video) for one in found])
    return EvaluationReport(
        {name: measure_windows(questions, found) for name, found in moments.items()}
    )


def measure_choices(
    library: Library, benchmark: ChoiceBenchmark, model: LanguageModel
) -> tuple[EvaluationReport, int]:
    """Return how often a language model chooses the right option, and how often it chose none.

    It is shown what search finds for the question in its video. Raises DependencyUnavailable where
    the model's server cannot be used.
    """
    from cinemill.capabilities.search.evaluation.benchmarks import choices
    from cinemill.capabilities.search.evaluation.benchmarks.choosing import choose_option

    chosen: dict[str, int | None] = {}
    for question in _count(benchmark.questions):
        found = library.find(question.text, [library.assets[question.video]], EVIDENCE)["search"]
        passages = [_describe(one) for one in found]
        chosen[question.id] = choose_option(model, question, passages)
    unanswered = sum(option is None for option in chosen.values())
    return choices.measure_choices(benchmark, chosen), unanswered


def _describe(found: HitDocument | PictureMomentDocument) -> JsonObject:
    return {"start": found["start"], "end": found["end"], "text": str(found.get("text", ""))}


def _read(found: HitDocument | PictureMomentDocument, video: str) -> Moment:
    from cinemill.capabilities.search.evaluation.benchmarks.files import to_ms
    from cinemill.capabilities.search.evaluation.metrics.records import Moment

    return Moment(video, to_ms(found["start"]), to_ms(found["end"]))


def _count(questions: Sequence[Asked]) -> Iterator[Asked]:
    """Yield questions, and print now and then how far it is."""
    for number, question in enumerate(questions):
        if number % PROGRESS_EVERY == 0:
            print_message(f"Question {number + 1} of {len(questions)}")
        yield question
