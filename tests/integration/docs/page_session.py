"""Run the blocks of a page as a reader would who has cloned the repository and run ``make demo``.

One change is made to what is printed: the two ports that the documentation names may be taken on
this machine, so the reader's instance gets others.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.films import run
from tests.instance_settings import UNSPACED
from tests.integration.docs.markdown_pages import ROOT, Block
from tests.waiting import PATIENCE_SECONDS, wait_until
from tools.samples import cache_folder, fetch

from cinemill.config import reference

PAGE_SECONDS = 600
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".samples", "out", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info"
)
INSTALLED_FROM = ("pyproject.toml", "requirements.lock", "requirements-dev.lock")
"""Older than the environment in a clone, or make would install the clone into this environment."""
TOOLS = ("make", "curl")
"""What pages take for granted and not every machine has."""
INSTALLS = re.compile(r"\bpip3? (?:un)?install\b|\bmake lock\b")
BEGINS = "── "
"""Printed before what a block prints, with its place."""
PRELUDE = r"""
set -Eeuo pipefail
trap 'echo "$place: this failed: $BASH_COMMAND" >&2' ERR
started=()
trap 'status=$?; for pid in "${started[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done; \
wait; exit $status' EXIT
start() {  # LOG COMMANDS: in another terminal, until the page ends
  bash -c "$2" >"$1" 2>&1 &
  started+=($!)
  until grep -qE 'Cinemill is ready|ready\.|Visit me at' "$1"; do
    kill -0 $! 2>/dev/null || { cat "$1" >&2; false; }
    sleep 0.1
  done
}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Reader:
    """A person with a home folder, a clone of the repository, and ports that nobody else has."""

    folder: Path
    clone_name: str = "cinemill"
    samples: Path | None = None
    """Folder of sample videos, if not the one of all tests."""
    port: int = field(default_factory=free_port)
    flower_port: int = field(default_factory=free_port)

    @property
    def clone(self) -> Path:
        return self.folder / self.clone_name

    @property
    def data(self) -> Path:
        """Where an instance keeps its data when nothing else is set."""
        return self.folder / ".local" / "share" / "cinemill"

    @property
    def environment(self) -> dict[str, str]:
        own = {row.name for row in reference()} | {"VIRTUAL_ENV", "CINEMILL_URL", "CINEMILL_TOKEN"}
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in own and not name.startswith(("XDG_", "PYTHON", "MAKE"))
        }
        scripts = str(Path(sys.prefix, "bin"))
        path = [part for part in kept.get("PATH", "").split(os.pathsep) if part != scripts]
        return {
            **kept,
            "PATH": os.pathsep.join(path),
            "HOME": str(self.folder),
            "CINEMILL_PORT": str(self.port),
            "FLOWER_PORT": str(self.flower_port),
            "CELERY_WORKER_CONCURRENCY": "1",
            **UNSPACED,
        }

    def fit(self, text: str) -> str:
        """Put this reader's ports in place of the printed ones."""
        printed = {"127.0.0.1:8420": self.port, "127.0.0.1:5555": self.flower_port}
        for address, port in printed.items():
            text = text.replace(address, f"127.0.0.1:{port}")
        return text


def shrink_samples(folder: Path) -> Path:
    """Create a small sample video for pages that take any video; their encoders are the same."""
    folder.mkdir()
    video = ["-i", f"file:{fetch('bigbuckbunny')}", "-vf", "scale=-2:360,fps=12"]
    coding = ["-c:v", "libx264", "-preset", "veryfast", "-c:a", "copy"]
    run([*video, *coding, f"file:{folder / 'bigbuckbunny.mp4'}"])
    return folder


def clone_for(reader: Reader) -> Reader:
    """Copy the repository to where the reader's clone belongs, as it is after ``make demo``."""
    shutil.copytree(ROOT, reader.clone, ignore=LEFT_OUT, symlinks=True)
    fetch("bigbuckbunny")
    (reader.clone / ".samples").symlink_to((reader.samples or cache_folder()).resolve())
    if not Path(sys.prefix, ".run").exists():
        pytest.skip("this environment was not made by make, which would install into it now")
    (reader.clone / ".venv").symlink_to(sys.prefix)
    for name in INSTALLED_FROM:
        os.utime(reader.clone / name, (0, 0))
    return reader


def run_blocks(reader: Reader, blocks: Iterable[Block]) -> dict[str, str]:
    """Run the blocks in one shell in the clone; return what each printed, by its place.

    Raises AssertionError with what was printed.
    """
    blocks = list(blocks)
    missing = [t for t in TOOLS if not shutil.which(t) and any(t in b.text for b in blocks)]
    if missing:
        pytest.skip(f"{' and '.join(missing)} is not installed")
    assert not [
        block.place for block in blocks if block.is_shell and INSTALLS.search(block.text)
    ], "this would install into the environment of the tests: mark it '<!-- not run: … -->'"
    script = reader.folder / f"{reader.clone_name}.sh"
    script.write_text(PRELUDE + "".join(_to_script(block, reader) for block in blocks), "utf-8")
    printed = script.with_suffix(".out")
    with printed.open("w") as output:
        shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc", str(script)],
            cwd=reader.clone, env=reader.environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        try:
            status: int | None = shell.wait(PAGE_SECONDS)
        except subprocess.TimeoutExpired:
            status = None
            os.killpg(shell.pid, signal.SIGTERM)
            shell.wait(PATIENCE_SECONDS)
    assert status == 0, printed.read_text("utf-8")
    parts = re.split(rf"^{BEGINS}(\S+:\d+)\n", printed.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _to_script(block: Block, reader: Reader) -> str:
    text = reader.fit(block.text)
    place = f"\nplace='{block.place}'\necho '{BEGINS}{block.place}'\n"
    if block.is_python:
        return f"{place}.venv/bin/python - <<'END_OF_BLOCK'\n{text}END_OF_BLOCK\n"
    if block.keeps_running:
        log = reader.folder / f"{block.place.replace('/', '-')}.log"
        return f"{place}start '{log}' \"$(cat <<'END_OF_BLOCK'\n{text}END_OF_BLOCK\n)\"\n"
    return place + text


@contextmanager
def running_instance(reader: Reader) -> Iterator[None]:
    """``make up`` in the reader's clone, from ready to stopped."""
    log = reader.folder / "up.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["make", "up"],
            cwd=reader.clone, env=reader.environment, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        try:
            wait_until(lambda: "is ready" in log.read_text() or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            yield
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(PATIENCE_SECONDS)
