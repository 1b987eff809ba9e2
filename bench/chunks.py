"""One film on many workers, over one command with one thread; and what its seams cost."""

from __future__ import annotations

import hashlib
import heapq
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text
from tools.samples import fetch

from bench.rows import BenchRow
from cinemill.core.chunks import choose_chunk_seconds
from cinemill.core.media import MediaInfo
from cinemill.core.rendition import RenditionRequest, read_rendition
from cinemill.jobs.service import JobService
from cinemill.local.servers import embedded_servers
from cinemill.media.encode import find_encoder
from cinemill.media.limits import Limits
from cinemill.media.probe import probe
from cinemill.media.quality import measure_vmaf
from cinemill.media.renditions import plan_encode
from cinemill.media.sandbox import Sandbox, detect_sandbox
from cinemill.media.toolbox import Toolbox, find_ffmpeg
from cinemill.storage.database import Database, migrate

ROUNDS = 3
SECONDS = 150
CHUNK_SECONDS = 10.0
SCENES = ("bikes", "bigbuckbunny", "expressive_face", "face_noface", "shot_change", "obama_speech")
SCENE_SECONDS = 5
KEY_EVERY = 50
FPS = 25
OPTIONS: dict[str, Any] = {"codec": "h264", "height": 360}
QUICK: dict[str, Any] = {"codec": "h264", "height": 180, "preset": "mobile"}
LONG_SECONDS = 600
MANY_WORKERS = 100
FEATURE_SECONDS = 7200
PATIENCE_SECONDS = 900


@dataclass(frozen=True)
class Farm:
    """Servers and beat, and workers of one process that encode with one thread each."""

    environ: dict[str, str]
    service: JobService
    database: Database
    undo: ExitStack

    def start_worker(self, core: int) -> subprocess.Popen[bytes]:
        """One more worker, on this core alone; it is there when this returns."""
        ready = Path(self.environ["CINEMILL_HOME"]) / f"ready-{time.monotonic_ns()}"
        environ = {**self.environ, "CINEMILL_READY_FILE": str(ready)}
        process = _start("cinemill.worker", environ, core)
        self.undo.callback(_stop, process)
        deadline = time.monotonic() + 60
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("a worker did not start")
            time.sleep(0.05)
        return process

    def submit(self, film: Path, options: dict[str, Any], chunk_seconds: float | None) -> str:
        params: dict[str, Any] = {"path": str(film), "options": options}
        if chunk_seconds is not None:
            params["chunk_seconds"] = chunk_seconds
        return self.service.create_job("transcode", params=params).id

    def wait(self, job_id: str) -> dict[str, Any]:
        """The job's result."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (job := self.service.get_job(job_id)).state.is_final:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{job_id} is {job.state} after {PATIENCE_SECONDS} s")
            time.sleep(0.05)
        if job.result is None:
            raise RuntimeError(f"{job_id} failed: {job.failure}")
        return dict(job.result)

    def ask(self, query: str, **values: Any) -> list[Any]:
        with self.database.begin() as connection:
            return list(connection.execute(text(query), values))


def measure() -> list[BenchRow]:
    toolbox = find_ffmpeg(None)
    with tempfile.TemporaryDirectory(prefix="cinemill-bench-") as name:
        folder = Path(name)
        film = make_film(toolbox, folder / "film.mp4", SECONDS)
        with running_farm(folder / "mill", folder) as farm:
            workers = [farm.start_worker(core) for core in sorted(os.sched_getaffinity(0))[:2]]
            rows = _measure_speed(toolbox, farm, film, folder, workers)
            rows.append(_measure_seams(toolbox, farm, film, folder))
            rows.append(_measure_loss(toolbox, farm, folder, workers[0]))
            rows.append(_simulate_feature(farm))
        return rows


@contextmanager
def running_farm(home: Path, films: Path) -> Iterator[Farm]:
    """Everything but workers."""
    home.mkdir()
    with embedded_servers(home / "servers") as servers, ExitStack() as undo:
        environ = {
            **os.environ,
            "CINEMILL_HOME": str(home),
            "CINEMILL_INPUT_ROOTS": str(films),
            "CINEMILL_LEASE_SECONDS": "6",
            "CINEMILL_HEARTBEAT_SECONDS": "2",
            "CINEMILL_LOG_LEVEL": "warning",
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "CELERY_WORKER_CONCURRENCY": "1",
            # Processor time of a command under bubblewrap is not its caller's to see.
            "CINEMILL_SANDBOX": "off",
        }
        migrate(servers.database_url)
        database = Database(servers.database_url)
        undo.callback(database.close)
        undo.callback(_stop, _start("cinemill.worker.beat", environ))
        yield Farm(environ, JobService(database), database, undo)


def _start(module: str, environ: dict[str, str], *cores: int) -> subprocess.Popen[bytes]:
    """Start it on these cores alone: a worker gives its encoder as many threads as it has."""
    pin = f"import os; os.sched_setaffinity(0, {cores or tuple(os.sched_getaffinity(0))})"
    run = f"{pin}; os.execv({sys.executable!r}, [{sys.executable!r}, '-m', {module!r}])"
    return subprocess.Popen(
        [sys.executable, "-c", run],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def make_film(toolbox: Toolbox, path: Path, seconds: int) -> Path:
    """Real scenes one after the other, again and again, 640x360 with sound."""
    first = path.with_name(f"scenes-{path.name}")
    inputs = [word for name in SCENES for word in ("-i", str(fetch(name)))]
    shape = "scale=640:360:force_original_aspect_ratio=decrease,pad=640:360:-1:-1,setsar=1"
    cut = f"fps={FPS},{shape},format=yuv420p,trim=end_frame={SCENE_SECONDS * FPS},setpts=N/{FPS}/TB"
    hold = f"tpad=stop=-1:stop_mode=clone,{cut}"
    chains = [f"[{number}:v]{hold}[v{number}]" for number in range(len(SCENES))]
    joined = "".join(f"[v{number}]" for number in range(len(SCENES)))
    graph = ";".join([*chains, f"{joined}concat=n={len(SCENES)}[film]"])
    length = len(SCENES) * SCENE_SECONDS
    sound = ["-f", "lavfi", "-i", f"aevalsrc=0.2*sin(2*PI*(200+20*t)*t):d={length}"]
    picture = ["-c:v", "libx264", "-crf", "18", "-preset", "fast", "-g", str(KEY_EVERY)]
    maps = ["-filter_complex", graph, "-map", "[film]", "-map", f"{len(SCENES)}:a"]
    _run(toolbox, [*inputs, *sound, *maps, *picture, "-c:a", "aac", str(first)])
    loops = ["-stream_loop", str(seconds // length - 1), "-i", str(first)]
    _run(toolbox, [*loops, "-c", "copy", str(path)])
    first.unlink()
    return path


def rename_film(toolbox: Toolbox, film: Path, title: str) -> Path:
    """The same pictures in another file: the same film would not be encoded again."""
    path = film.with_name(f"{film.stem}-{title}.mp4")
    _run(toolbox, ["-i", str(film), "-c", "copy", "-metadata", f"title={title}", str(path)])
    return path


def _run(toolbox: Toolbox, arguments: Sequence[str]) -> None:
    command = [str(toolbox.ffmpeg), "-y", "-v", "error", "-nostdin", *arguments]
    subprocess.run(command, check=True)


def _measure_speed(
    toolbox: Toolbox,
    farm: Farm,
    film: Path,
    folder: Path,
    workers: Sequence[subprocess.Popen[bytes]],
) -> list[BenchRow]:
    walls, spent = [], []
    for number in range(ROUNDS):
        alone_wall, alone_cpu = _time_command(toolbox, film, folder)
        copy = rename_film(toolbox, film, f"round {number}")
        before = sum(_spent_seconds(worker) for worker in workers)
        began = time.monotonic()
        farm.wait(farm.submit(copy, OPTIONS, CHUNK_SECONDS))
        walls.append((time.monotonic() - began) / alone_wall)
        spent.append((sum(_spent_seconds(worker) for worker in workers) - before) / alone_cpu)
        last = f"{alone_wall:.1f} s alone"
    detail = f"{SECONDS} s of real scenes, 360p, x264 medium, submit to done; {last}; medians of 3"
    wall = statistics.median(walls)
    return [
        BenchRow("two one-thread workers over one, wall", wall, 0.58, "", detail),
        BenchRow(
            "the same, processor time",
            statistics.median(spent),
            1.05,
            "",
            "workers whole, with probe, index, proof and join",
        ),
    ]


def _time_command(toolbox: Toolbox, film: Path, folder: Path) -> tuple[float, float]:
    """Seconds on the wall and of processor time of the plain command with one thread."""
    arguments = _plan_single(toolbox, film, read_rendition(OPTIONS))
    work = folder / "alone"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    one = ["-filter_threads", "1", "-threads", "1"]
    command = [str(toolbox.ffmpeg), "-y", "-v", "error", "-nostdin", *one, *arguments[:-1]]
    began = time.monotonic()
    process = psutil.Popen([*command, "-threads", "1", arguments[-1]], cwd=work)
    _, _, usage = os.wait4(process.pid, 0)
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime


def _plan_single(toolbox: Toolbox, film: Path, request: RenditionRequest) -> list[str]:
    plan = plan_encode(
        str(film),
        probe(film, Limits()),
        request,
        encoder=find_encoder(toolbox, request.codec),
        can_tonemap=toolbox.can_tonemap,
        max_pixels=Limits().max_pixels,
    )
    return list(plan.arguments)


def _spent_seconds(worker: subprocess.Popen[bytes]) -> float:
    main = psutil.Process(worker.pid)
    tree = [main, *main.children(recursive=True)]
    return sum(sum(process.cpu_times()[:4]) for process in tree)


def _measure_seams(toolbox: Toolbox, farm: Farm, film: Path, folder: Path) -> BenchRow:
    """How much worse the joined picture is than that of one pass."""
    scores = []
    for title, seconds in (("cut", CHUNK_SECONDS), ("whole", 0.0)):
        copy = rename_film(toolbox, film, title)
        result = farm.wait(farm.submit(copy, OPTIONS, seconds))
        scores.append(_judge(toolbox, copy, Path(result["output_path"]), folder))
    return BenchRow(
        f"VMAF of one pass less that of chunks of {CHUNK_SECONDS:g} s joined",
        scores[1] - scores[0],
        0.1,
        "",
        f"{scores[1]:.3f} and {scores[0]:.3f}; {SECONDS} s of real scenes",
    )


def _judge(toolbox: Toolbox, film: Path, made: Path, folder: Path) -> float:
    info, request = probe(film, Limits()), read_rendition(OPTIONS)
    quality = measure_vmaf(
        toolbox,
        film,
        info,
        request,
        made,
        frames=_count_frames(probe(made, Limits())),
        folder=folder,
        limits=Limits(),
        sandbox=Sandbox(setpriv=detect_sandbox("off").setpriv),
        on_progress=lambda share: None,
        should_stop=lambda: None,
    )
    return float(quality.vmaf)


def _count_frames(info: MediaInfo) -> int:
    return info.video.frames_from_header


def _simulate_feature(farm: Farm) -> BenchRow:
    """Two hours on a hundred workers, with what chunks of the film have just cost, and looking at
    ten minutes and joining them."""
    rates = [row.seconds / row.frames for row in _list_steps(farm, OPTIONS["height"])]
    once = {row.kind: row.seconds for row in _list_steps(farm, QUICK["height"], chunks=False)}
    frames = FEATURE_SECONDS * FPS
    work = frames * statistics.mean(rates)
    length = choose_chunk_seconds(FEATURE_SECONDS, work, MANY_WORKERS) or FEATURE_SECONDS
    count = round(FEATURE_SECONDS / length)
    draw = random.Random(1)
    costs = [draw.choice(rates) * frames / count for _ in range(count)]
    # Looking for key frames and joining read and write the film: as much longer as it is.
    longer = FEATURE_SECONDS / LONG_SECONDS
    alone = (once["encode_rendition"] + once["join_chunks"]) * longer
    wall = alone + schedule(costs, MANY_WORKERS)
    return BenchRow(
        "a film of two hours on 100 workers, simulated: times as fast as one worker",
        sum(costs) / wall,
        80,
        "",
        f"{count} chunks, {sum(costs):.0f} s of work in {wall:.0f} s, {alone:.0f} s of them of one",
        more_is_better=True,
    )


def _list_steps(farm: Farm, height: int, *, chunks: bool = True) -> list[Any]:
    """The steps of the last film that was joined at this height: its chunks, or the others."""
    return farm.ask(
        """
        SELECT step.kind, (step.result ->> 'seconds')::float8 AS seconds,
               (step.params -> 'chunk' ->> 'frames')::int AS frames
        FROM step WHERE state = 'succeeded' AND (kind = 'encode_chunk') = :chunks AND job_id = (
            SELECT job_id FROM step WHERE kind = 'join_chunks' AND state = 'succeeded'
              AND (params ->> 'height')::int = :height ORDER BY finished_at DESC LIMIT 1)
        """,
        height=height,
        chunks=chunks,
    )


def schedule(costs: Sequence[float], workers: int) -> float:
    """When the last is done, where whoever is free takes the next."""
    free = [0.0] * workers
    for cost in costs:
        heapq.heappush(free, heapq.heappop(free) + cost)
    return max(free)


def _measure_loss(
    toolbox: Toolbox, farm: Farm, folder: Path, doomed: subprocess.Popen[bytes]
) -> BenchRow:
    """Ten minutes on two workers, one of them killed in the middle; against the same in peace."""
    film = make_film(toolbox, folder / "ten.mp4", LONG_SECONDS)
    peace = farm.wait(farm.submit(film, QUICK, 10.0))
    job_id = farm.submit(rename_film(toolbox, film, "again"), QUICK, 10.0)
    _await_half(farm, job_id, doomed)
    doomed.kill()
    doomed.wait()
    result = farm.wait(job_id)
    crashed = farm.ask(
        "SELECT count(*) FROM run WHERE job_id = :id AND state = 'crashed'", id=job_id
    )[0][0]
    hashes = [_hash_pictures(toolbox, one["output_path"]) for one in (peace, result)]
    differ = sum(one != other for one, other in zip(*hashes, strict=True))
    return BenchRow(
        "ten minutes on two workers, one killed in the middle: pictures that differ",
        differ,
        0,
        "",
        f"of {len(hashes[0])} and {len(hashes[1])}, by their hashes; {crashed} chunk lost and "
        f"made again, {result['chunks']['total']} in all",
    )


def _await_half(farm: Farm, job_id: str, doomed: subprocess.Popen[bytes]) -> None:
    """Until half of the chunks are done and this worker is at another."""
    query = """
        SELECT worker, (SELECT count(*) FROM step WHERE job_id = :id AND kind = 'encode_chunk'
                        AND state = 'succeeded') AS done
        FROM run WHERE job_id = :id AND state = 'running' AND kind = 'encode_chunk'
    """
    half = LONG_SECONDS // 10 // 2
    while True:
        pids = {child.pid for child in psutil.Process(doomed.pid).children()}
        for row in farm.ask(query, id=job_id):
            if row.done >= half and int(row.worker.rpartition(":")[2]) in pids:
                return
        time.sleep(0.02)


def _hash_pictures(toolbox: Toolbox, path: str) -> list[str]:
    """One hash a picture, of its time and of what it shows."""
    command = [str(toolbox.ffmpeg), "-v", "error", "-nostdin", "-i", path, "-map", "0:v"]
    done = subprocess.run([*command, "-f", "framemd5", "-"], check=True, capture_output=True)
    lines = done.stdout.splitlines()
    return [hashlib.sha256(line).hexdigest() for line in lines if not line.startswith(b"#")]
