"""Writes the fixture of the upgrade test: an installation of one version, stopped while at work.

Run it here with the interpreter of the version that people upgrade *from*:

    git worktree add --detach /tmp/old <commit>
    make -C /tmp/old .venv/.dev
    /tmp/old/.venv/bin/python -m tests.integration.upgrade.write_fixture \\
        tests/integration/upgrade/fixtures/<version>-<commit>

``fixtures/0.1.0-071182e`` was written on commit 071182e. Write one more folder for each release;
the test takes every folder that it finds. Nothing of Cinemill is imported here, so that the tool
runs on any version: it uses ``cinemill up``, the HTTP API, Celery messages and table names.

It writes these text files:

- ``database.sql``: ``pg_dump`` of the database.
- ``redis.jsonl``: one Redis command a line, as a JSON list of strings.
- ``files.json``: the home folder without the servers' data and the logs.
- ``documents.json``: the roles of jobs and assets, and their documents from the HTTP API.

In all of them, ``@HOME@`` stands for the home folder and ``old-host`` for the machine's name.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import imageio_ffmpeg
from celery import Celery
from tests.integration.upgrade.dump import dump_database, dump_files, dump_redis
from tests.integration.upgrade.old_version import (
    Installation,
    kill_service,
    running,
    wait_until,
)

KEY_PREFIX = "cinemill:"
HOME_MARK = "@HOME@"
HOST_MARK = "old-host"
HALF_BYTES = 3 * 1024 * 1024
IDEMPOTENCY_KEY = "sent-before-the-upgrade"
OTHER_SIZE = (72, 40)
"""Clips of renders that wait, so that they share no piece with a finished render."""
SMALL: Mapping[str, Any] = {"codec": "h264", "container": "mp4", "width": 96, "height": 54}


def main(arguments: list[str]) -> int:
    target = Path(arguments[0]).resolve()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cinemill-upgrade-") as folder:
        home = Path(folder).resolve() / "home"
        films = make_films(home / "films")
        with running(home) as old:
            jobs = finish_jobs(old, films)
            documents = read_documents(old, jobs)
            jobs |= interrupt_jobs(old, films)
            save(target, old, {"jobs": jobs, **documents})
    size_bytes = sum(path.stat().st_size for path in target.iterdir())
    print(f"{target}: {size_bytes} bytes")
    assert size_bytes < 1_000_000, "the fixture is to stay below a megabyte"
    return 0


def make_films(folder: Path) -> dict[str, Path]:
    """Create two small videos with FFmpeg's test sources."""
    folder.mkdir(mode=0o700, parents=True)
    return {
        "long": make_film(folder / "long.mp4", seconds=12, hertz=440),
        "short": make_film(folder / "short.mp4", seconds=3, hertz=550),
    }


def make_film(path: Path, *, seconds: int, hertz: int) -> Path:
    """Create a video with a key frame each second, so that it can be split there."""
    video_source = f"smptehdbars=size=160x90:rate=10:duration={seconds}"
    sound = f"sine=frequency={hertz}:sample_rate=8000:duration={seconds}"
    inputs = ["-f", "lavfi", "-i", video_source, "-f", "lavfi", "-i", sound]
    codecs = ["-c:v", "libx264", "-crf", "32", "-g", "10", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    beeps = ["-af", "volume='lt(mod(t,4),0.3)':eval=frame"]  # silence takes hardly any bytes
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", *inputs, *codecs]
    subprocess.run([*command, *beeps, "-b:a", "16k", f"file:{path}"], check=True)
    return path


def finish_jobs(old: Installation, films: Mapping[str, Path]) -> dict[str, str]:
    """Run one job of each kind to its end, failures included; return job ids by role."""
    jobs = {"ingest": old.upload(films["long"], thumbnail_seconds="1")}
    jobs["upload_transcode"] = old.upload(
        films["short"], kind="transcode", params=json.dumps({"options": SMALL})
    )
    for job in jobs.values():
        old.wait_for(job, "completed")
    short = asset_of(old, jobs["upload_transcode"])
    jobs["preview"] = old.submit_for(short, "generate_preview", {"num_frames": 2, "height": 54})
    jobs["ladder"] = old.submit_for(short, "make_ladder", {"preset": "mobile"})
    jobs["render"] = old.submit("render_video", {"job": timeline(short, 2)}, key=IDEMPOTENCY_KEY)
    jobs["batch"] = old.submit("batch_render", {"jobs": [timeline(short, 1), timeline(short, 2)]})
    jobs["adopted"] = send_bare(old, "transcode", {"asset_id": short, "options": SMALL}, prefix="")
    jobs["by_path"] = old.submit(
        "transcode", {"path": str(films["short"]), "options": {**SMALL, "width": 64, "height": 36}}
    )
    for role in ("preview", "ladder", "render", "batch", "adopted", "by_path"):
        wait_until(partial(old.state_of, jobs[role]))
        old.wait_for(jobs[role], "completed")
    late = {"path": str(films["short"].with_name("late.mp4")), "num_frames": 2, "height": 36}
    jobs["dead"] = old.submit("generate_preview", late)
    old.wait_for(jobs["dead"], "failed")
    send_bare(old, "no_such_task", {"why": "a release that had it"}, prefix=KEY_PREFIX)
    wait_until(lambda: old.get("/dead")["messages"])
    return jobs


def asset_of(old: Installation, job: str) -> str:
    return str(old.get(f"/jobs/{job}")["asset_id"])


def timeline(asset: str, clips: int, width: int = 96, height: int = 54) -> dict[str, Any]:
    """Return a render of so many clips of a second each, without transitions."""
    return {
        "clips": [{"asset_id": asset, "start": at, "end": at + 1} for at in range(clips)],
        "output": {"width": width, "height": height, "fps": 10},
    }


def send_bare(
    old: Installation, task: str, kwargs: Mapping[str, Any], *, prefix: str, queue: str = "default"
) -> str:
    """Send a message as a user's own Celery script does; return its id."""
    app = Celery("elsewhere", broker=old.redis_url, set_as_current=False)
    if prefix:
        app.conf.broker_transport_options = {"global_keyprefix": prefix}
    try:
        return str(app.send_task(task, kwargs=dict(kwargs), queue=queue).id)
    finally:
        app.close()


def interrupt_jobs(old: Installation, films: Mapping[str, Path]) -> dict[str, str]:
    """Queue work, kill all processes while it is half done; return job ids by role."""
    long = asset_of(old, old.get("/jobs?kind=process_video")["jobs"][0]["id"])
    short = asset_of(old, old.get("/jobs?kind=make_ladder")["jobs"][0]["id"])
    jobs = run_halfway(old, long)
    # The workers are dead: jobs submitted now wait for those of the next version.
    jobs["cancelled"] = old.submit(
        "render_video", {"job": timeline(short, 1, *OTHER_SIZE)}, priority=0
    )
    old.http.post(f"/jobs/{jobs['cancelled']}/cancel", json={"reason": "no longer needed"})
    other = {**SMALL, "width": 128, "height": 72}
    jobs["queued_transcode"] = old.submit_for(short, "transcode", {"options": other})
    jobs["queued_preview"] = old.submit_for(
        short, "generate_preview", {"num_frames": 3, "height": 36, "sheet": {"columns": 2}}
    )
    jobs["queued_render"] = old.submit("render_video", {"job": timeline(short, 3, *OTHER_SIZE)})
    jobs["queued_batch"] = old.submit(
        "batch_render", {"jobs": [timeline(short, 2, *OTHER_SIZE), timeline(short, 3, 64, 36)]}
    )
    jobs["queued_ladder"] = old.submit_for(short, "make_ladder", {"preset": "web"})
    jobs["queued_count"] = old.submit("get_queue_stats", {})
    waiting = list(jobs.values())[-6:]
    wait_until(lambda: all(is_published(old, job) for job in waiting))
    with send_half_upload(old, films["long"]):
        kill_python_services(old)
    options = {**SMALL, "width": 80, "height": 46}
    jobs["bare_prefixed"] = send_bare(
        old, "transcode", {"asset_id": short, "options": options}, prefix=KEY_PREFIX
    )
    jobs["bare_stock"] = send_bare(
        old, "generate_preview", {"asset_id": short, "num_frames": 1}, prefix="", queue="celery"
    )
    jobs["bare_stock_queue"] = send_bare(
        old, "get_queue_stats", {}, prefix="", queue="render_queue"
    )
    send_bare(old, "another_lost_task", {}, prefix=KEY_PREFIX)
    old.redis.rpush(f"{KEY_PREFIX}refused_messages", json.dumps(refused_message()))
    return jobs


def run_halfway(old: Installation, long: str) -> dict[str, str]:
    """Stop the workers while a render and a chunked transcode have both finished and running parts.

    If one of them has finished too early, another is started.
    """
    for turn in range(10):
        render = old.submit("render_video", {"job": timeline(long, 12, 1280 - 2 * turn, 720)})
        wait_until(partial(old.count_steps, render, "render_pieces", "succeeded"))
        # Of higher priority, with shorter parts: they end while the render's parts still run.
        transcode = old.submit_for(
            long, "transcode", {"options": variant(turn), "chunk_seconds": 1}, priority=9
        )
        jobs = {"running_render": render, "running_transcode": transcode}
        if stop_halfway(old, render, transcode):
            return jobs
    raise SystemExit("the work was through too early each time: run it again")


def stop_halfway(old: Installation, render: str, transcode: str) -> bool:
    """Return whether both were stopped in the middle; the workers are dead then."""
    parts = ((render, "render_pieces"), (transcode, "encode_chunk"))
    while all(old.state_of(job) in ("pending", "running") for job, _ in parts):
        if is_halfway(old, parts):
            stop_workers(old)
            if all(old.count_steps(job, kind, "running") for job, kind in parts):
                return True
            raise SystemExit("the parts ended while the workers were stopped: run it again")
        time.sleep(0.005)
    return False


def is_halfway(old: Installation, parts: Sequence[tuple[str, str]]) -> bool:
    return all(
        old.count_steps(job, kind, "succeeded") and old.count_steps(job, kind, "running")
        for job, kind in parts
    )


def variant(turn: int) -> dict[str, Any]:
    return {"codec": "h264", "container": "mp4", "width": 320 + 2 * turn, "height": 180}


def stop_workers(old: Installation) -> None:
    """Kill the worker with its pool and encoders; the frozen supervisor starts no other."""
    old.process.send_signal(signal.SIGSTOP)
    kill_service(old, "cinemill.worker")


def kill_python_services(old: Installation) -> None:
    for module in ("cinemill.api", "cinemill.worker.beat"):
        kill_service(old, module)


def is_published(old: Installation, job: str) -> bool:
    row = old.database.execute(
        "SELECT count(*) FROM run WHERE job_id = %s AND published_at IS NOT NULL", [job]
    ).fetchone()
    return row is not None and row[0] > 0


def send_half_upload(old: Installation, film: Path) -> socket.socket:
    """Begin an upload, which stays half received as long as the connection is open."""
    # Longer than the API's buffer, so that it has begun to write the file.
    content, boundary = film.read_bytes() + bytes(HALF_BYTES), "half"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="half.mp4"\r\n\r\n'
    ).encode()
    lines = [
        "POST /upload HTTP/1.1",
        f"Host: {old.api_url.removeprefix('http://')}",
        f"Authorization: {old.headers['Authorization']}",
        f"Content-Type: multipart/form-data; boundary={boundary}",
        f"Content-Length: {len(head) + 2 * len(content)}",
    ]
    host, port = old.api_url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + head + content)
    incoming = old.home / "objects" / "incoming"
    wait_until(lambda: any(path.stat().st_size for path in incoming.iterdir()))
    return connection


def refused_message() -> dict[str, Any]:
    """Return a message that a worker refused and no relay has moved into the database yet."""
    return {
        "id": str(uuid4()),
        "queue": "default",
        "task": "lost_task",
        "task_id": str(uuid4()),
        "failure": {
            "code": "task_unknown",
            "message": "There is no task 'lost_task'.",
            "way_on": "Send one of the tasks of this installation.",
            "log_tail": "",
            "retryable": False,
        },
        "excerpt": "[[], {}, {}]",
        "size_bytes": 12,
        "received_at": datetime.now(UTC).isoformat(),
    }


def read_documents(old: Installation, jobs: Mapping[str, str]) -> dict[str, Any]:
    """Return the HTTP API's documents of ended jobs, which do not change any more."""
    paths = ["/assets", "/dead"]
    for job in jobs.values():
        paths += [f"/jobs/{job}", f"/jobs/{job}/status", f"/task/{job}", f"/task/{job}/result"]
    paths += [f"/assets/{asset['id']}" for asset in old.get("/assets")["assets"]]
    answers = {path: old.http.get(path) for path in paths}
    return {
        "documents": {path: answer.json() for path, answer in answers.items() if answer.is_success},
        "artifacts": read_artifacts(old),
    }


def read_artifacts(old: Installation) -> list[list[str]]:
    rows = old.database.execute("SELECT step_key, sha256 FROM artifact ORDER BY 1, 2").fetchall()
    return [[str(value) for value in row] for row in rows]


def save(target: Path, old: Installation, documents: Mapping[str, Any]) -> None:
    """Write the fixture's four files."""
    host = re.escape(socket.gethostname())
    worker_name = re.compile(rf"(?<![\w.-]){host}(?=:\d+\b)|(?<=@){host}\b")
    texts = {
        "database.sql": dump_database(old.database_url),
        "redis.jsonl": dump_redis(old.redis),
        "files.json": dump_files(old.home),
        "documents.json": json.dumps(documents, indent=1) + "\n",
    }
    for name, text in texts.items():
        neutral = worker_name.sub(HOST_MARK, text.replace(str(old.home), HOME_MARK))
        (target / name).write_text(neutral, "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
