"""A seeded corpus of hostile and damaged files for sniff, probe and prepare, with an oracle.

    python -m tests.faults.hostile --seed 1 --count 1000

These rules hold for every file: it is done only if the whole video is there (or, if a container
lost packets silently, the outcome warns of the gap); no output contains anything of the planted
secret; nothing needs more than 2 GB; every refusal has a known code; a refused file leaves its
folder empty. Every second file runs without bubblewrap: there the whitelists alone must hold, and
the kernel reports the peak memory of every child.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import av
from rich.console import Console
from rich.table import Table
from tests.faults.mutations import MUTATIONS, SECRET_COLOR, SECRET_TEXT, Base, Forgery, make_bases
from tests.films import make_film

from cinemill.capabilities.ingest.prepare import GAP_WARNING, PrepareOutcome, prepare
from cinemill.capabilities.ingest.request import PrepareRequest
from cinemill.capabilities.ingest.sound.prepare import prepare_sound
from cinemill.core.media import ArtifactKind
from cinemill.errors import CinemillError
from cinemill.media.ffmpeg.binary import find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import SandboxMode, detect_sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.probe import probe
from cinemill.media.rejections import REJECTION_CODES

PEAK_RSS_BYTES = 2 * 1024**3
PROCESSES = 2
KNOWN_CODES = frozenset(REJECTION_CODES) | {
    "command_failed",
    "command_stalled",
    "command_timed_out",
    "output_invalid",
    "output_too_large",
    "out_of_memory",
}
CORPUS_LIMITS = Limits(
    memory_bytes=1536 * 1024**2,
    max_output_bytes=256 * 1024**2,
    max_duration_seconds=3600,
    wall_seconds=60,
    stall_seconds=30,
)
_CLOCK_SLACK_SECONDS = 0.3
_FRAMES_SHARE = 0.98
_WARNED_FRAMES_SHARE = 0.85
"""With a warning a small gap is permitted; a large one is a false done nevertheless."""
_COLOR_DISTANCE = 40


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one file, and every rule that it broke."""

    index: int
    mutation: str
    base: str
    code: str
    """``done`` or the code of the refusal."""
    seconds: float
    peak_rss_bytes: int
    broken: tuple[str, ...]


@dataclass(slots=True)
class Summary:
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def broken(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.broken]

    @property
    def peak_rss_bytes(self) -> int:
        return max((verdict.peak_rss_bytes for verdict in self.verdicts), default=0)

    def count_codes(self) -> Counter[str]:
        return Counter(verdict.code for verdict in self.verdicts)


def run_corpus(seed: int, count: int, *, processes: int = PROCESSES) -> Summary:
    """Create and process ``count`` files; the same seed creates the same files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bases").mkdir()
        (folder / "secret").mkdir()
        bases = make_bases(folder / "bases")
        secret = _plant_secret(folder / "secret")
        tasks = [(seed, index, bases, secret, folder) for index in range(count)]
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            return Summary(list(pool.map(_check_file, tasks, chunksize=4)))


def _plant_secret(folder: Path) -> Path:
    (folder / "secret.txt").write_bytes(SECRET_TEXT)
    color = bytes(SECRET_COLOR).hex()
    return make_film(folder / "secret.mp4", filters=f"drawbox=color=0x{color}:t=fill")


def _check_file(task: tuple[int, int, list[Base], Path, Path]) -> Verdict:
    seed, index, bases, secret, folder = task
    rng = random.Random(f"{seed}/{index}")
    mutate = MUTATIONS[index % len(MUTATIONS)]
    base = rng.choice(bases)
    forgery = mutate(rng, base, secret)
    case_folder = folder / f"case-{index}"
    (case_folder / "work").mkdir(parents=True)
    source = case_folder / "source.mp4"
    source.write_bytes(forgery.content)
    started = time.monotonic()
    code, broken, rss = _process_file(
        source, case_folder / "work", forgery, is_sandboxed=index % 2 == 0
    )
    shutil.rmtree(case_folder)
    return Verdict(
        index=index,
        mutation=mutate.__name__,
        base=base.path.name,
        code=code,
        seconds=time.monotonic() - started,
        peak_rss_bytes=rss,
        broken=broken,
    )


def _process_file(
    source: Path, work: Path, forgery: Forgery, *, is_sandboxed: bool
) -> tuple[str, tuple[str, ...], int]:
    sandbox = detect_sandbox(SandboxMode.AUTO if is_sandboxed else SandboxMode.OFF)
    try:
        info = probe(source, CORPUS_LIMITS, sandbox=sandbox)
        session = FfmpegSession(find_ffmpeg(None), work, CORPUS_LIMITS, sandbox)
        make = prepare if info.has_picture else prepare_sound
        outcome = make(session, source, info, PrepareRequest())
    except CinemillError as refused:
        return refused.code, tuple(_check_refusal(refused.code, work)), _peak_rss(0)
    except Exception as crash:
        return "crash", (f"{type(crash).__name__}: {crash}",), _peak_rss(0)
    is_warned = any(GAP_WARNING in warning for warning in outcome.warnings)
    code = "done with a gap warning" if is_warned else "done"
    return code, tuple(_check_done(outcome, forgery)), _peak_rss(outcome.peak_rss_bytes)


def _check_refusal(code: str, work: Path) -> list[str]:
    broken = [] if code in KNOWN_CODES else [f"unknown code {code}"]
    if any(work.iterdir()):
        broken.append("the folder is not empty")
    return broken


def _check_done(outcome: PrepareOutcome, forgery: Forgery) -> list[str]:
    broken = [f"foreign read: {name}" for name in _find_secret(outcome)]
    if forgery.base is None:
        return [*broken, "false done: it is no video"]
    if forgery.base.frames and not outcome.decoded_frames:
        # Where the header of the picture's track is gone, sound is all that anybody can find.
        return [*broken, "false done: taken for sound alone"] if forgery.keeps_clock else broken
    is_warned = any(GAP_WARNING in warning for warning in outcome.warnings)
    share = _WARNED_FRAMES_SHARE if is_warned else _FRAMES_SHARE
    if outcome.decoded_frames < forgery.base.frames * share - 1:
        broken.append(f"false done: {outcome.decoded_frames} of {forgery.base.frames} frames")
    lost_seconds = forgery.base.seconds - outcome.decoded_seconds
    if forgery.keeps_clock and lost_seconds > _CLOCK_SLACK_SECONDS:
        broken.append(f"false done: {outcome.decoded_seconds:.2f} s")
    return broken


def _find_secret(outcome: PrepareOutcome) -> list[str]:
    return [
        prepared.path.name
        for prepared in outcome.files
        if SECRET_TEXT in prepared.path.read_bytes()
        or (prepared.kind is ArtifactKind.POSTER and _shows_secret(prepared.path))
    ]


def _shows_secret(still: Path) -> bool:
    with still.open("rb") as file, av.open(file, "r", format="jpeg_pipe") as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    mean = frame.reshape(-1, 3).mean(axis=0)
    return all(
        abs(seen - planted) < _COLOR_DISTANCE
        for seen, planted in zip(mean, SECRET_COLOR, strict=True)
    )


def _peak_rss(reported_bytes: int) -> int:
    """Return the peak memory of any child of this process so far, or as FFmpeg reported it."""
    return max(reported_bytes, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)


def print_summary(summary: Summary, seed: int, seconds: float) -> None:
    table = Table(title=f"hostile corpus: seed {seed}, {len(summary.verdicts)} files")
    table.add_column("outcome")
    table.add_column("files", justify="right")
    table.add_column("by mutation", overflow="fold")
    for code, count in summary.count_codes().most_common():
        kinds = Counter(item.mutation for item in summary.verdicts if item.code == code)
        table.add_row(code, str(count), ", ".join(f"{k} {n}" for k, n in kinds.most_common()))
    console = Console()
    console.print(table)
    breaches = [what for verdict in summary.broken for what in verdict.broken]
    console.print(f"false done: {sum(what.startswith('false done') for what in breaches)}")
    console.print(f"foreign reads: {sum(what.startswith('foreign') for what in breaches)}")
    console.print(f"peak RSS of a child: {summary.peak_rss_bytes / 1024**2:.0f} MiB")
    console.print(f"took {seconds:.0f} s, {PROCESSES} at a time")
    for verdict in summary.broken:
        console.print(f"BROKEN {verdict}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Process hostile and damaged files.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args(arguments)
    started = time.monotonic()
    summary = run_corpus(options.seed, options.count)
    print_summary(summary, options.seed, time.monotonic() - started)
    fits = summary.peak_rss_bytes <= PEAK_RSS_BYTES
    return 0 if fits and not summary.broken else 1


if __name__ == "__main__":
    sys.exit(main())
