"""Restores a fixture of ``write_fixture.py``: a home folder as the old version left it."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import redis

from cinemill.local.embedded_servers import Servers, embedded_servers
from cinemill.local.servers.postgres import find_binaries

HOME_MARK = "@HOME@"
HOST_MARK = "old-host"
AGE = timedelta(hours=1)
"""Age that the latest timestamp of the fixture is moved to, so that every lease has expired."""
FILE_AGE_SECONDS = 3 * 24 * 3600
TIMESTAMP = re.compile(r"\b(\d{4}-\d\d-\d\d)([ T])(\d\d:\d\d:\d\d)(?=\.\d|\+00|Z)")


@dataclass(frozen=True)
class StepRow:
    """A step as the old version left it."""

    job_id: str
    name: str
    kind: str
    state: str
    attempts: int
    crashes: int
    finished_at: datetime | None
    result: Any


@dataclass(frozen=True)
class OldInstallation:
    """The fixture's documents, and the rows as they were restored."""

    jobs: Mapping[str, str]
    """Job ids by their role."""
    documents: Mapping[str, Any]
    """Documents of the HTTP API, by path."""
    artifacts: tuple[tuple[str, str], ...]
    """(step key, sha256) of all artifacts."""
    redis_commands: tuple[tuple[str, ...], ...]
    steps: Mapping[str, StepRow]


class FixtureTexts:
    """The fixture's files, adapted to this home, this machine and this time."""

    def __init__(self, folder: Path, home: Path) -> None:
        self._folder = folder
        self._home = home
        latest = max(map(_read_timestamp, TIMESTAMP.findall(self._read("database.sql"))))
        # Whole seconds, so that a timestamp's fraction is the same in every text.
        self._shift = datetime.now(UTC).replace(tzinfo=None, microsecond=0) - AGE - latest

    def read(self, name: str) -> str:
        """Return a file's text with all timestamps moved by the same distance.

        So neither the clock of this machine nor the age of the fixture makes a difference.
        """
        text = self._read(name).replace(HOME_MARK, str(self._home))
        return TIMESTAMP.sub(self._shift_timestamp, text.replace(HOST_MARK, socket.gethostname()))

    def _read(self, name: str) -> str:
        return (self._folder / name).read_text("utf-8")

    def _shift_timestamp(self, found: re.Match[str]) -> str:
        moved = _read_timestamp(found.groups()) + self._shift
        return moved.isoformat(sep=found[2])


def _read_timestamp(parts: tuple[str | Any, ...]) -> datetime:
    return datetime.fromisoformat(f"{parts[0]} {parts[2]}")


def restore_installation(folder: Path, home: Path) -> OldInstallation:
    """Create the home folder of the fixture in ``home``, with its database and its Redis filled."""
    texts = FixtureTexts(folder, home)
    home.mkdir(mode=0o700, parents=True)
    for entry in json.loads(texts.read("files.json")):
        write_file(home, entry)
    lines = texts.read("redis.jsonl").splitlines()
    commands = tuple(tuple(json.loads(line)) for line in lines)
    with embedded_servers(home) as servers:
        fill_database(servers, home, texts.read("database.sql"))
        fill_redis(servers, commands)
        steps = read_steps(servers.database_url)
    documents = json.loads(texts.read("documents.json"))
    return OldInstallation(
        jobs=documents["jobs"],
        documents=documents["documents"],
        artifacts=tuple((key, sha256) for key, sha256 in documents["artifacts"]),
        redis_commands=commands,
        steps=steps,
    )


def write_file(home: Path, entry: Mapping[str, str]) -> None:
    path = home / entry["path"]
    if "folder" in entry:
        path.mkdir(parents=True, exist_ok=True)
    elif "same_as" in entry:
        path.hardlink_to(home / entry["same_as"])
    elif "text" in entry:
        path.write_text(entry["text"], "utf-8", newline="")
    else:
        path.write_bytes(zlib.decompress(base64.b64decode(entry["zlib_base64"])))
    path.chmod(int(entry["mode"], 8))
    age = time.time() - FILE_AGE_SECONDS
    os.utime(path, (age, age))


def fill_database(servers: Servers, home: Path, sql: str) -> None:
    """Run the dump as a person restores one; see docs/how-to/back-up.md."""
    dump = home.with_name("database.sql")
    dump.write_text(sql, "utf-8", newline="")
    address = libpq_url(servers.database_url)
    command = [str(find_binaries() / "psql"), "-q", "-v", "ON_ERROR_STOP=1", "-f", str(dump)]
    subprocess.run([*command, address], check=True, stdout=subprocess.DEVNULL)


def fill_redis(servers: Servers, commands: tuple[tuple[str, ...], ...]) -> None:
    with redis.Redis.from_url(servers.redis_url) as client:
        for command in commands:
            words = [word.encode("utf-8", "surrogateescape") for word in command]
            client.execute_command(*words)


def read_steps(database_url: str) -> dict[str, StepRow]:
    """Return every step by its id."""
    query = "SELECT id, job_id, name, kind, state, attempts, crashes, finished_at, result FROM step"
    with psycopg.connect(libpq_url(database_url)) as connection:
        return {row[0]: StepRow(*row[1:]) for row in connection.execute(query).fetchall()}


def libpq_url(database_url: str) -> str:
    return database_url.replace("+psycopg", "", 1)
