"""What a running instance uses at one moment: its processes, Redis, PostgreSQL and folders."""

from __future__ import annotations

import os
import re
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
SELECT CASE WHEN relnamespace = 'public'::regnamespace THEN 'table ' || relname
            ELSE 'table (catalogs)' END AS name,
       sum(pg_table_size(oid))::float8 AS table_bytes,
       sum(pg_indexes_size(oid))::float8 AS index_bytes
FROM pg_class WHERE relkind = 'r' AND relnamespace <> 'pg_toast'::regnamespace GROUP BY 1
"""
BOUNDED = {
    "folder postgres/pg_wal": "grows to max_wal_size (512 MiB), and is reused from then on",
    "folder valkey": "the append-only file is written again at 64 MiB, or at twice its size",
    "folder log": "each file is rotated at 10 MiB, and few are kept",
}
"""What grows with the work up to a limit of its own, and the limit."""


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
        if re.search(rf"cinemill\.{role}\b|[ .]{role}\b", words):
            parent = process.parent()
            is_pool = role == "worker" and parent and " ".join(parent.cmdline()) == words
            return "worker pool process" if is_pool else role
    return "launcher" if " -I " in f"{words} " else process.name()


def _read_memory(pid: int) -> dict[str, float]:
    """Return RSS and PSS in bytes, without memory that is shared on purpose.

    PostgreSQL's processes touch more and more of its buffers, which have a fixed size.
    """
    status = _read_kib(Path(f"/proc/{pid}/status"))
    rollup = _read_kib(Path(f"/proc/{pid}/smaps_rollup"))
    return {
        "RSS": status["RssAnon"] + status["RssFile"],
        "PSS": rollup["Pss"] - rollup["Pss_Shmem"],
    }


def _read_kib(path: Path) -> dict[str, float]:
    """Return the fields of a file in /proc that are sizes, in bytes."""
    rows = (line.partition(":") for line in path.read_text().splitlines())
    return {
        name: float(value.split()[0]) * 1024 for name, _, value in rows if value.endswith(" kB")
    }


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
            values[row.name, "table"] = row.table_bytes
            values[row.name, "indexes"] = row.index_bytes
    return values


def read_folders(home: Path) -> Values:
    """Return the size of each folder of a home; of PostgreSQL's data, of each part of it."""
    sizes: dict[str, float] = {}
    for folder in (path for path in home.iterdir() if path.is_dir()):
        sizes[f"folder {folder.name}"] = 0.0
        for path, size in _walk(folder):
            parts = Path(path).relative_to(home).parts
            is_data = parts[0] == "postgres" and len(parts) > 3
            name = f"folder postgres/{parts[2]}" if is_data else f"folder {parts[0]}"
            sizes[name] = sizes.get(name, 0.0) + size
    return {(name, "folder"): size for name, size in sizes.items()}


def _walk(folder: Path) -> Iterator[tuple[str, int]]:
    # By length: blocks of what PostgreSQL has only in its buffers are allocated at a checkpoint.
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            with suppress(OSError):
                yield str(path), path.lstat().st_size
