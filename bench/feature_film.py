"""A two-hour video on a hundred workers: simulated from the measured times of its parts."""

from __future__ import annotations

import heapq
import itertools
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from bench.cluster import FPS, KEY_EVERY, Cluster, create_video, run_command, running_cluster
from bench.films import plan_rendition
from bench.report import BenchRow
from cinemill.capabilities.transcode.chunks import (
    ChunkDurations,
    KeyframeMark,
    choose_lengths,
    cut_chunks,
)
from cinemill.capabilities.transcode.concat_chunks import FinishedChunk, concat_chunks
from cinemill.capabilities.transcode.encode_chunk import CHUNK_FORMAT, index_frames
from cinemill.core.encoding.rendition import read_rendition
from cinemill.media.ffmpeg.arguments import CHUNK_MUXER
from cinemill.media.ffmpeg.binary import FfmpegBinary, find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.probe import probe
from cinemill.storage.media.files import hash_file

WORKERS = 100
SECONDS = 7200
SAMPLE_SECONDS = 60
CHUNK_SECONDS = 4.0
LOOPS = 10
"""The times of a single worker are measured on this many samples, one after the other."""
ROUNDS = 3
SIZES = ((1080, 80.0), (360, None))
"""Heights of the output, and the target speed-up over one worker."""


@dataclass(frozen=True)
class Measured:
    seconds_a_frame: list[float]
    """Time of each chunk on one core."""
    pause_seconds: float
    """Pause between two chunks on one worker."""
    index_seconds: float
    """Time for one second of video, as the join's."""
    join_seconds: float


def measure() -> list[BenchRow]:
    ffmpeg_binary = find_ffmpeg(None)
    with tempfile.TemporaryDirectory(prefix="cinemill-bench-") as name:
        folder = Path(name)
        with running_cluster(folder / "home", folder) as cluster:
            for core in sorted(os.sched_getaffinity(0))[:2]:
                cluster.start_worker(core)
            return [
                _simulate(height, target, _measure_parts(ffmpeg_binary, cluster, folder, height))
                for height, target in SIZES
            ]


def _simulate(height: int, target: float | None, measured: Measured) -> BenchRow:
    work = SECONDS * FPS * statistics.mean(measured.seconds_a_frame)
    lengths = choose_lengths(SECONDS, work, WORKERS)
    assert lengths is not None
    draw = random.Random(1)
    costs = [
        frames * draw.choice(measured.seconds_a_frame) + measured.pause_seconds
        for frames in _cut(lengths)
    ]
    alone = (measured.index_seconds + measured.join_seconds) * SECONDS
    wall = alone + schedule(costs, WORKERS)
    return BenchRow(
        f"a two-hour video on {WORKERS} workers, simulated, {height}p: times one worker",
        work / wall,
        target,
        "",
        f"{len(costs)} chunks, {work:.0f} s of work in {wall:.0f} s: "
        f"{measured.index_seconds * SECONDS:.1f} s for the cut search, "
        f"{measured.join_seconds * SECONDS:.1f} s to join",
        more_is_better=True,
    )


def _cut(lengths: ChunkDurations) -> list[int]:
    """Return how many frames each chunk has, of a video with a key frame every two seconds."""
    marks = [KeyframeMark(n, n, n % KEY_EVERY == 0) for n in range(SECONDS * FPS)]
    chunks = cut_chunks(marks, Fraction(1, FPS), lengths, needs_lead=False)
    return [chunk.frames for chunk in chunks]


def schedule(costs: Sequence[float], workers: int) -> float:
    """Return when the last chunk is done, if every free worker takes the next."""
    free = [0.0] * workers
    for cost in costs:
        heapq.heappush(free, heapq.heappop(free) + cost)
    return max(free)


def _measure_parts(
    ffmpeg_binary: FfmpegBinary, cluster: Cluster, folder: Path, height: int
) -> Measured:
    film = create_video(ffmpeg_binary, folder / f"film-{height}.mp4", SAMPLE_SECONDS, height)
    job_id = cluster.submit(film, {"codec": "h264", "height": height}, CHUNK_SECONDS)
    cluster.wait(job_id)
    rows = cluster.ask(CHUNK_QUERY, id=job_id)
    chunks = [_find_chunk(cluster, row.result) for row in rows]
    # From the attempts in the database: when a worker ended one and began the next.
    by_worker = itertools.groupby(sorted(rows, key=_when), lambda row: row.worker)
    pauses = [
        (after.started_at - before.ended_at).total_seconds()
        for _, own in by_worker
        for before, after in itertools.pairwise(own)
    ]
    index, join = _time_alone(ffmpeg_binary, film, chunks, folder / f"alone-{height}")
    return Measured(
        [row.result["seconds"] / row.result["frames"] for row in rows],
        statistics.median(pauses),
        index,
        join,
    )


def _when(row: Any) -> tuple[str, Any]:
    return (row.worker, row.started_at)


CHUNK_QUERY = """
    SELECT step.result, run.worker, run.started_at, run.ended_at
    FROM step JOIN run ON run.step_id = step.id AND run.state = 'succeeded'
    WHERE step.job_id = :id AND step.kind = 'encode_chunk' ORDER BY step.name
"""


def _find_chunk(cluster: Cluster, result: dict[str, Any]) -> FinishedChunk:
    """Find a chunk's file: chunks are forgotten once joined, and removed an hour later."""
    sha256 = result["sha256"]
    home = Path(cluster.environ["CINEMILL_HOME"])
    path = next((home / "objects").rglob(sha256))
    return FinishedChunk(path, result["frames"], result["delay"], result["settings"])


def _time_alone(
    ffmpeg_binary: FfmpegBinary, sample: Path, chunks: Sequence[FinishedChunk], folder: Path
) -> tuple[float, float]:
    """Return seconds per second of video to index it, and to join, check and hash the whole."""
    folder.mkdir()
    film = folder / "film.mp4"
    loop = ["-stream_loop", str(LOOPS - 1), "-i", str(sample), "-c", "copy", str(film)]
    run_command(ffmpeg_binary, loop)
    tracks = folder / "tracks.mp4"
    run_command(ffmpeg_binary, ["-i", str(film), "-vn", "-c", "copy", str(tracks)])
    longer = [
        _shift(ffmpeg_binary, chunk, loop * (SAMPLE_SECONDS + 1), folder / f"{loop}-{number}.mp4")
        for loop in range(LOOPS)
        for number, chunk in enumerate(chunks)
    ]
    indexings, joins = [], []
    for number in range(ROUNDS):
        work = folder / f"round-{number}"
        work.mkdir()
        index, join = _time_once(ffmpeg_binary, film, tracks, longer, work)
        indexings.append(index)
        joins.append(join)
    seconds = LOOPS * SAMPLE_SECONDS
    return statistics.median(indexings) / seconds, statistics.median(joins) / seconds


def _time_once(
    ffmpeg_binary: FfmpegBinary,
    film: Path,
    tracks: Path,
    chunks: Sequence[FinishedChunk],
    work: Path,
) -> tuple[float, float]:
    info, request = probe(film, Limits()), read_rendition({"codec": "h264"})
    plan = plan_rendition(ffmpeg_binary, film, request)
    sandbox = Sandbox(setpriv=detect_sandbox("off").setpriv)
    session = FfmpegSession(
        ffmpeg_binary, work, Limits(), sandbox, lambda _share: None, lambda: None
    )
    began = time.perf_counter()
    assert index_frames(session, film, info) is not None
    indexed_at = time.perf_counter()
    path, _ = concat_chunks(session, chunks, tracks, film, info, request, plan)
    hash_file(path)
    return indexed_at - began, time.perf_counter() - indexed_at


def _shift(
    ffmpeg_binary: FfmpegBinary, chunk: FinishedChunk, seconds: int, path: Path
) -> FinishedChunk:
    """Shift the same frames by this many seconds.

    The duration is a little more than the sample's, which audio may lengthen.
    """
    times = ["-copyts", "-f", CHUNK_FORMAT, "-i", str(chunk.path), "-c", "copy"]
    later = ["-output_ts_offset", str(seconds), "-avoid_negative_ts", "disabled"]
    run_command(ffmpeg_binary, [*times, *later, *CHUNK_MUXER, str(path)])
    return FinishedChunk(path, chunk.frames, chunk.delay, chunk.settings)
