"""An upload of 1 GB compared with ``sha256sum`` and ``cp`` of the same file.

Processor seconds of the server alone, over a loopback connection that the kernel feeds from the
file (the client costs next to nothing); of ``sha256sum`` and ``cp`` likewise. They alternate, and
the minimum of each counts. ``sha256sum`` may lack the processor's SHA-256 instructions while
OpenSSL, which Python hashes with, uses them: the second row compares with the same hash, and is the
one that shows the cost of the rest of an upload.

Tried, and rejected: passing on request bodies without Uvicorn's two copies (7 % less user time of
the server) and a higher threshold at which it stops reading (no effect). The largest part is the
kernel's copying into the page cache, which ``cp`` has as well, and which varies.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.report import BenchRow, cpu_seconds_of, print_table
from cinemill.local.embedded_servers import embedded_servers

FILM_BYTES = int(os.environ.get("CINEMILL_BENCH_UPLOAD_BYTES", 1_000_000_000))
ROUNDS = 3
TARGET = 1.5
_MATROSKA = bytes.fromhex("1a45dfa3")
_BLOCK_BYTES = 1024 * 1024
_BOUNDARY = "cinemill-bench-boundary"


@dataclass(frozen=True, slots=True)
class Server:
    process: psutil.Process
    port: int
    token: str

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


def measure() -> list[BenchRow]:
    """Measure CPU ratios of receiving a video of ``FILM_BYTES`` (1 GB)."""
    with tempfile.TemporaryDirectory(prefix="cinemill-bench-") as name:
        folder = Path(name)
        film = _create_video(folder / "film.mkv")
        with embedded_servers(folder / "servers") as servers:
            addresses = {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}
            with running_server(folder / "home", addresses) as server:
                return _compare(server, film, folder)


def _compare(server: Server, film: Path, folder: Path) -> list[BenchRow]:
    uploads, walls, sums, copies, hashes = [], [], [], [], []
    for _ in range(ROUNDS):
        sums.append(cpu_seconds_of(lambda: _run("sha256sum", str(film))))
        copies.append(cpu_seconds_of(lambda: _run("cp", str(film), str(folder / "copy.mkv"))))
        hashes.append(cpu_seconds_of(lambda: _hash(film)))
        before, began = server.cpu_seconds(), time.perf_counter()
        _upload(server, film)
        walls.append(time.perf_counter() - began)
        uploads.append(server.cpu_seconds() - before)
    upload, copy = min(uploads), min(copies)
    detail = (
        f"CPU s, least of {ROUNDS}: upload {upload:.2f}, sha256sum {min(sums):.2f}, "
        f"cp {copy:.2f}, hashlib {min(hashes):.2f}; upload wall {min(walls):.2f} s"
    )
    return [
        BenchRow("upload over sha256sum + cp", upload / (min(sums) + copy), TARGET, "×", detail),
        BenchRow(
            "upload over hashlib + cp", upload / (min(hashes) + copy), None, "×", "the same hash"
        ),
    ]


def _create_video(path: Path) -> Path:
    """Write bytes that begin like a video and that cannot be compressed."""
    with path.open("wb") as file:
        file.write(_MATROSKA)
        while file.tell() < FILM_BYTES:
            file.write(os.urandom(min(_BLOCK_BYTES, FILM_BYTES - file.tell())))
    return path


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _hash(film: Path) -> str:
    with film.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _upload(server: Server, film: Path) -> None:
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="film.mkv"\r\n\r\n'
    ).encode()
    end = f"\r\n--{_BOUNDARY}--\r\n".encode()
    length = len(head) + film.stat().st_size + len(end)
    request = (
        f"POST /upload HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Length: {length}\r\n"
        f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n\r\n"
    ).encode()
    with (
        socket.create_connection(("127.0.0.1", server.port)) as connection,
        film.open("rb") as file,
    ):
        connection.sendall(request + head)
        connection.sendfile(file)
        connection.sendall(end)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(answer.decode(errors="replace"))


@contextmanager
def running_server(home: Path, addresses: dict[str, str]) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    names = {"CINEMILL_HOME": str(home), "CINEMILL_PORT": str(port), **addresses}
    command = [sys.executable, "-m", "cinemill.api"]
    process = subprocess.Popen(
        command, env={**os.environ, **names}, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    try:
        _wait_for_port(port)
        token = (home / "token").read_text("ascii").strip()
        yield Server(psutil.Process(process.pid), port, token)
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(home, ignore_errors=True)


def _wait_for_port(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")


if __name__ == "__main__":
    print_table(measure())
