"""What a running instance uses at one moment: its processes, Redis, PostgreSQL and folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import redis
from sqlalchemy import text

from cinemill.storage.database import Database

Values = dict[tuple[str, str], float]
"""By subject and measure."""
SETTLED_SECONDS = 20.0
"""A younger process, such as an encoder, is not counted: it comes and goes with the work."""
_TABLES = """
SELECT relname AS name, pg_table_size(oid)::float8 AS table_bytes,
       pg_indexes_size(oid)::float8 AS index_bytes
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
OWN_SIZE = {"pg_wal": "grows to max_wal_size, and is reused from then on"}
"""Folders that have a limit of their own, and why."""


def read_processes(main: psutil.Process, now: float) -> Values:
    """Return memory, open files and threads of every settled process, by its role.

    Processes of one role are one subject, as a mean: pool processes are replaced after a while,
    and connections of PostgreSQL come and go.
    """
    found: dict[str, list[Mapping[str, float]]] = {}
    for process in (main, *main.children(recursive=True)):
        with suppress(psutil.Error, OSError):
            if now - process.create_time() < SETTLED_SECONDS and process.pid != main.pid:
                continue
            used = {
                **_read_memory(process.pid),
                "files": float(process.num_fds()),
                "threads": float(process.num_threads()),
            }
            found.setdefault(name_role(process, main), []).append(used)
    return {
        (role, measure): sum(one[measure] for one in each) / len(each)
        for role, each in found.items()
        for measure in each[0]
    }


def name_role(process: psutil.Process, main: psutil.Process) -> str:
    """Return what a process of the instance does, by its command line and its parent's."""
    if process.pid == main.pid:
        return "supervisor"
    words = " ".join(process.cmdline())
    if process.name().startswith("postgres"):
        titled = words.partition(":")[2].split()
        if not words.startswith("postgres:"):
            return "postgres"
        return "postgres connection" if "cinemill" in titled else f"postgres {' '.join(titled[:2])}"
    if "valkey" in words or "redis-server" in words:
        return "valkey"
    for role in ("beat", "worker", "api", "flower"):
        if f"cinemill.{role}" in words or f" {role}" in words:
            parent = process.parent()
            is_pool = role == "worker" and parent and " ".join(parent.cmdline()) == words
            return "worker pool process" if is_pool else role
    return "launcher" if " -I " in f"{words} " else process.name()


def _read_memory(pid: int) -> dict[str, float]:
    fields = {
        line.partition(":")[0]: float(line.split()[1]) * 1024
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    }
    return {"RSS": fields["Rss"], "PSS": fields["Pss"]}


def read_redis(url: str) -> Values:
    with redis.Redis.from_url(url) as client:
        spaces = client.info("keyspace").values()
        return {
            ("redis", "keys"): float(sum(one["keys"] for one in spaces)),
            ("redis", "memory"): float(client.info("memory")["used_memory"]),
        }


def read_tables(database: Database) -> Values:
    values: Values = {}
    with database.begin() as connection:
        for row in connection.execute(text(_TABLES)):
            values["table " + row.name, "table"] = row.table_bytes
            values["table " + row.name, "indexes"] = row.index_bytes
    return values


def read_folders(home: Path) -> Values:
    """Return the size of each folder of a home, PostgreSQL's logs of changes apart."""
    values: Values = {}
    for folder in (path for path in home.iterdir() if path.is_dir()):
        sizes = list(_walk(folder))
        for name in OWN_SIZE:
            own = sum(size for path, size in sizes if f"/{name}/" in path)
            if own:
                values[f"folder {folder.name}/{name}", "folder"] = float(own)
        values[f"folder {folder.name}", "folder"] = float(
            sum(size for path, size in sizes if not any(f"/{name}/" in path for name in OWN_SIZE))
        )
    return values


def _walk(folder: Path) -> Iterator[tuple[str, int]]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            with suppress(OSError):
                yield str(path), path.lstat().st_blocks * 512
