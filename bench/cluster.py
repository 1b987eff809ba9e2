"""Servers, beat and single-threaded workers, and videos of real scenes for them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text
from tools.samples import fetch

from cinemill.catalog import CATALOG
from cinemill.jobs.service import JobService
from cinemill.local.embedded_servers import embedded_servers
from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.storage.database import Database, migrate

SCENES = ("bikes", "bigbuckbunny", "expressive_face", "face_noface", "shot_change", "obama_speech")
SCENE_SECONDS = 5
KEY_EVERY = 50
FPS = 25
PATIENCE_SECONDS = 900


@dataclass(frozen=True)
class Cluster:
    """Servers and beat, and workers of one process that encode with one thread each."""

    environ: dict[str, str]
    service: JobService
    database: Database
    undo: ExitStack

    def start_worker(self, core: int) -> subprocess.Popen[bytes]:
        """Start one more worker, on this core alone, and wait until it is ready."""
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
        """Wait for the job and return its result."""
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


@contextmanager
def running_cluster(home: Path, films: Path) -> Iterator[Cluster]:
    """Start everything except workers."""
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
            # Under bubblewrap the caller cannot see a command's processor time.
            "CINEMILL_SANDBOX": "off",
        }
        migrate(servers.database_url)
        database = Database(servers.database_url)
        undo.callback(database.close)
        undo.callback(_stop, _start("cinemill.worker.beat", environ))
        yield Cluster(environ, JobService(database, catalog=CATALOG), database, undo)


def _start(module: str, environ: dict[str, str], *cores: int) -> subprocess.Popen[bytes]:
    """Start it on these cores alone: a worker gives its encoder as many threads as it has cores."""
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


def create_video(ffmpeg_binary: FfmpegBinary, path: Path, seconds: int, height: int = 360) -> Path:
    """Create a video of real scenes in a loop, in 16:9 and with audio, enlarged if necessary."""
    first = path.with_name(f"scenes-{path.name}")
    inputs = [word for name in SCENES for word in ("-i", str(fetch(name)))]
    size = f"{height * 16 // 9}:{height}"
    shape = f"scale={size}:force_original_aspect_ratio=decrease,pad={size}:-1:-1,setsar=1"
    cut = f"fps={FPS},{shape},format=yuv420p,trim=end_frame={SCENE_SECONDS * FPS},setpts=N/{FPS}/TB"
    hold = f"tpad=stop=-1:stop_mode=clone,{cut}"
    chains = [f"[{number}:v]{hold}[v{number}]" for number in range(len(SCENES))]
    joined = "".join(f"[v{number}]" for number in range(len(SCENES)))
    graph = ";".join([*chains, f"{joined}concat=n={len(SCENES)}[film]"])
    length = len(SCENES) * SCENE_SECONDS
    sound = ["-f", "lavfi", "-i", f"aevalsrc=0.2*sin(2*PI*(200+20*t)*t):d={length}"]
    picture = ["-c:v", "libx264", "-crf", "18", "-preset", "fast", "-g", str(KEY_EVERY)]
    maps = ["-filter_complex", graph, "-map", "[film]", "-map", f"{len(SCENES)}:a"]
    run_command(ffmpeg_binary, [*inputs, *sound, *maps, *picture, "-c:a", "aac", str(first)])
    loops = ["-stream_loop", str(seconds // length - 1), "-i", str(first)]
    run_command(ffmpeg_binary, [*loops, "-c", "copy", str(path)])
    first.unlink()
    return path


def retitle(ffmpeg_binary: FfmpegBinary, film: Path, title: str) -> Path:
    """Return the same frames in another file, because the same video would not be encoded again."""
    path = film.with_name(f"{film.stem}-{title}.mp4")
    run_command(
        ffmpeg_binary, ["-i", str(film), "-c", "copy", "-metadata", f"title={title}", str(path)]
    )
    return path


def run_command(ffmpeg_binary: FfmpegBinary, arguments: Sequence[str]) -> None:
    command = [str(ffmpeg_binary.ffmpeg), "-y", "-v", "error", "-nostdin", *arguments]
    subprocess.run(command, check=True)
