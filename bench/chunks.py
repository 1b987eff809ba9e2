"""One video on many workers, compared with one single-threaded command, and its seams."""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from bench.cluster import Cluster, create_video, retitle, running_cluster
from bench.films import plan_rendition
from bench.report import BenchRow
from cinemill.capabilities.transcode.vmaf import measure_vmaf
from cinemill.core.encoding.rendition import RenditionRequest, read_rendition
from cinemill.core.media import MediaInfo
from cinemill.media.ffmpeg.binary import FfmpegBinary, find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.probe import probe

ROUNDS = 3
SECONDS = 300
CHUNK_SECONDS = 10.0
OPTIONS: dict[str, Any] = {"codec": "h264", "height": 360}
QUICK: dict[str, Any] = {"codec": "h264", "height": 180, "preset": "mobile"}
LONG_SECONDS = 600


def measure() -> list[BenchRow]:
    ffmpeg_binary = find_ffmpeg(None)
    with tempfile.TemporaryDirectory(prefix="cinemill-bench-") as name:
        folder = Path(name)
        film = create_video(ffmpeg_binary, folder / "film.mp4", SECONDS)
        with running_cluster(folder / "home", folder) as cluster:
            workers = [cluster.start_worker(core) for core in sorted(os.sched_getaffinity(0))[:2]]
            rows = _measure_speed(ffmpeg_binary, cluster, film, folder, workers)
            rows.append(_measure_seams(ffmpeg_binary, cluster, film, folder))
            rows.append(_measure_loss(ffmpeg_binary, cluster, folder, workers[0]))
        return rows


def _measure_speed(
    ffmpeg_binary: FfmpegBinary,
    cluster: Cluster,
    film: Path,
    folder: Path,
    workers: Sequence[subprocess.Popen[bytes]],
) -> list[BenchRow]:
    walls, spent, floors = [], [], []
    for number in range(ROUNDS):
        alone_wall, alone_cpu = _time_command(ffmpeg_binary, film, folder)
        copy = retitle(ffmpeg_binary, film, f"round {number}")
        before = sum(_spent_seconds(worker) for worker in workers)
        began = time.monotonic()
        cluster.wait(cluster.submit(copy, OPTIONS, None))
        walls.append((time.monotonic() - began) / alone_wall)
        spent.append((sum(_spent_seconds(worker) for worker in workers) - before) / alone_cpu)
        floors.append(_time_pair(ffmpeg_binary, film, folder) / 2 / alone_wall)
        last = f"{alone_wall:.1f} s alone"
    detail = f"{SECONDS} s of real scenes, 360p, x264 medium, submit to done; {last}; medians of 3"
    wall = statistics.median(walls)
    return [
        BenchRow(
            "two bare one-thread commands in parallel over one after the other, wall",
            statistics.median(floors),
            None,
            detail="the gain of two cores here: no encoding can be faster",
        ),
        BenchRow(
            "two one-thread workers over one one-thread command, wall", wall, 0.58, "", detail
        ),
        BenchRow(
            "the same, processor time",
            statistics.median(spent),
            1.05,
            "",
            "whole workers, including probe, cut search, check and join",
        ),
    ]


def _time_command(ffmpeg_binary: FfmpegBinary, film: Path, folder: Path) -> tuple[float, float]:
    """Return wall seconds and processor seconds of the plain command with one thread."""
    began = time.monotonic()
    process = _start_command(ffmpeg_binary, film, folder / "alone")
    _, _, usage = os.wait4(process.pid, 0)
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime


def _time_pair(ffmpeg_binary: FfmpegBinary, film: Path, folder: Path) -> float:
    """Return wall seconds of two such commands at once, each on a core of its own."""
    began = time.monotonic()
    pair = []
    for core in sorted(os.sched_getaffinity(0))[:2]:
        pair.append(_start_command(ffmpeg_binary, film, folder / f"core-{core}"))
        pair[-1].cpu_affinity([core])
    for process in pair:
        process.wait()
    return time.monotonic() - began


def _start_command(ffmpeg_binary: FfmpegBinary, film: Path, work: Path) -> psutil.Popen:
    arguments = _plan_single(ffmpeg_binary, film, read_rendition(OPTIONS))
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    one = ["-filter_threads", "1", "-threads", "1"]
    command = [str(ffmpeg_binary.ffmpeg), "-y", "-v", "error", "-nostdin", *one, *arguments[:-1]]
    return psutil.Popen([*command, "-threads", "1", arguments[-1]], cwd=work)


def _plan_single(ffmpeg_binary: FfmpegBinary, film: Path, request: RenditionRequest) -> list[str]:
    plan = plan_rendition(ffmpeg_binary, film, request)
    return list(plan.arguments)


def _spent_seconds(worker: subprocess.Popen[bytes]) -> float:
    main = psutil.Process(worker.pid)
    tree = [main, *main.children(recursive=True)]
    return sum(sum(process.cpu_times()[:4]) for process in tree)


def _measure_seams(
    ffmpeg_binary: FfmpegBinary, cluster: Cluster, film: Path, folder: Path
) -> BenchRow:
    """Measure how much worse the joined video is than that of one pass."""
    scores = []
    for title, seconds in (("cut", CHUNK_SECONDS), ("whole", 0.0)):
        copy = retitle(ffmpeg_binary, film, title)
        result = cluster.wait(cluster.submit(copy, OPTIONS, seconds))
        scores.append(_measure_vmaf(ffmpeg_binary, copy, Path(result["output_path"]), folder))
    return BenchRow(
        f"VMAF of one pass minus that of joined {CHUNK_SECONDS:g} s chunks",
        scores[1] - scores[0],
        0.1,
        "",
        f"{scores[1]:.3f} and {scores[0]:.3f}; {SECONDS} s of real scenes",
    )


def _measure_vmaf(ffmpeg_binary: FfmpegBinary, film: Path, made: Path, folder: Path) -> float:
    info, request = probe(film, Limits()), read_rendition(OPTIONS)
    quality = measure_vmaf(
        FfmpegSession(
            ffmpeg_binary, folder, Limits(), Sandbox(setpriv=detect_sandbox("off").setpriv)
        ),
        film,
        info,
        request,
        made,
        frames=_count_frames(probe(made, Limits())),
    )
    return float(quality.vmaf)


def _count_frames(info: MediaInfo) -> int:
    return info.video.frames_from_header


def _measure_loss(
    ffmpeg_binary: FfmpegBinary, cluster: Cluster, folder: Path, doomed: subprocess.Popen[bytes]
) -> BenchRow:
    """Measure ten minutes on two workers, one of them killed in the middle, against no failure."""
    film = create_video(ffmpeg_binary, folder / "ten.mp4", LONG_SECONDS)
    peace = cluster.wait(cluster.submit(film, QUICK, 10.0))
    job_id = cluster.submit(retitle(ffmpeg_binary, film, "again"), QUICK, 10.0)
    _await_half(cluster, job_id, doomed)
    doomed.kill()
    doomed.wait()
    result = cluster.wait(job_id)
    crashed = cluster.ask(
        "SELECT count(*) FROM run WHERE job_id = :id AND state = 'crashed'", id=job_id
    )[0][0]
    hashes = [_hash_frames(ffmpeg_binary, one["output_path"]) for one in (peace, result)]
    differ = sum(one != other for one, other in zip(*hashes, strict=True))
    return BenchRow(
        "ten minutes on two workers, one killed in the middle: frames that differ",
        differ,
        0,
        "",
        f"of {len(hashes[0])} and {len(hashes[1])}, by their hashes; {crashed} chunk lost and "
        f"encoded again, {result['chunks']['total']} in all",
    )


def _await_half(cluster: Cluster, job_id: str, doomed: subprocess.Popen[bytes]) -> None:
    """Wait until half of the chunks are done and this worker is encoding another."""
    query = """
        SELECT worker, (SELECT count(*) FROM step WHERE job_id = :id AND kind = 'encode_chunk'
                        AND state = 'succeeded') AS done
        FROM run WHERE job_id = :id AND state = 'running' AND kind = 'encode_chunk'
    """
    half = LONG_SECONDS // 10 // 2
    while True:
        pids = {child.pid for child in psutil.Process(doomed.pid).children()}
        for row in cluster.ask(query, id=job_id):
            if row.done >= half and int(row.worker.rpartition(":")[2]) in pids:
                return
        time.sleep(0.02)


def _hash_frames(ffmpeg_binary: FfmpegBinary, path: str) -> list[str]:
    """Return one hash per frame, of its timestamp and its content."""
    command = [str(ffmpeg_binary.ffmpeg), "-v", "error", "-nostdin", "-i", path, "-map", "0:v"]
    done = subprocess.run([*command, "-f", "framemd5", "-"], check=True, capture_output=True)
    lines = done.stdout.splitlines()
    return [hashlib.sha256(line).hexdigest() for line in lines if not line.startswith(b"#")]
