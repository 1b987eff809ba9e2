"""A Redis that responds but refuses: each way is a context that restores it at its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

NOBODY = ("127.0.0.1", "1")
"""A port where no server listens, so that its replica keeps its own data."""
BEGUN_SECONDS = 60.0
Refusal = Callable[[str], AbstractContextManager[None]]


@contextmanager
def out_of_memory(redis_url: str) -> Iterator[None]:
    """-OOM: commands that need memory are refused; all others work, such as taking messages."""
    with _open(redis_url) as client:
        before = client.config_get("maxmemory")["maxmemory"]
        client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            client.config_set("maxmemory", before)


@contextmanager
def read_only(redis_url: str) -> Iterator[None]:
    """-READONLY: a primary that was demoted and keeps its clients."""
    with _open(redis_url) as client:
        client.execute_command("REPLICAOF", *NOBODY)
        try:
            yield
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def without_primary(redis_url: str) -> Iterator[None]:
    """-MASTERDOWN: a replica that is configured not to serve stale data."""
    with _open(redis_url) as client:
        client.config_set("replica-serve-stale-data", "no")
        try:
            with read_only(redis_url):
                yield
        finally:
            client.config_set("replica-serve-stale-data", "yes")


@contextmanager
def failed_snapshot(redis_url: str) -> Iterator[None]:
    """-MISCONF: a snapshot could not be written, so that neither writes nor PING are accepted."""
    with _open(redis_url) as client:
        obstacle = Path(str(client.config_get("dir")["dir"])) / "dump.rdb"
        client.config_set("save", "36000 1000000")
        obstacle.unlink(missing_ok=True)
        obstacle.mkdir()
        try:
            _save(client)
            yield
        finally:
            obstacle.rmdir()
            client.config_set("save", "")


@contextmanager
def no_permission(redis_url: str) -> Iterator[None]:
    """-NOPERM: the user may not write."""
    with _open(redis_url) as client:
        client.execute_command("ACL", "SETUSER", "default", "-@write")
        try:
            yield
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+@all")


@contextmanager
def busy_script(redis_url: str) -> Iterator[None]:
    """-BUSY: a client's script runs endlessly, and everything else is refused."""
    with _open(redis_url) as client:
        client.config_set("busy-reply-threshold", 100)
        script = threading.Thread(target=_run_endless_script, args=(redis_url,), daemon=True)
        script.start()
        try:
            _await_refusal(client)
            yield
        finally:
            client.script_kill()
            script.join()
            client.config_set("busy-reply-threshold", 5000)


def _forbidding(*rules: str) -> Refusal:
    """Return a refusal by an access list: the user lacks what a rule takes away."""

    @contextmanager
    def forbid(redis_url: str) -> Iterator[None]:
        with _open(redis_url) as client:
            client.execute_command("ACL", "SETUSER", "default", *rules)
            try:
                yield
            finally:
                client.execute_command(
                    "ACL", "SETUSER", "default", "+@all", "allkeys", "allchannels"
                )

    return forbid


@contextmanager
def other_password(redis_url: str) -> Iterator[None]:
    """-WRONGPASS, or -NOAUTH without one: the password was changed, and clients were cut off."""
    with _open(redis_url) as client:
        before = client.config_get("requirepass")["requirepass"]
        client.config_set("requirepass", "another")
        try:
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            yield
        finally:
            client.config_set("requirepass", before)


@contextmanager
def full_of_clients(redis_url: str) -> Iterator[None]:
    """-ERR max number of clients reached: nobody else is let in."""
    with _open(redis_url) as client:
        before = client.config_get("maxclients")["maxclients"]
        client.config_set("maxclients", 1)
        try:
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            yield
        finally:
            client.config_set("maxclients", before)


REFUSALS: dict[str, Refusal] = {
    "OOM": out_of_memory,
    "READONLY": read_only,
    "MASTERDOWN": without_primary,
    "MISCONF": failed_snapshot,
    "NOPERM": no_permission,
    "BUSY": busy_script,
}


SEEN_FROM_OUTSIDE: dict[str, Refusal] = {
    **REFUSALS,
    "no scripts": _forbidding("-@scripting"),
    "no streams": _forbidding("-@stream"),
    "no lists": _forbidding("-@list"),
    "no publishing": _forbidding("-publish"),
    "no channels": _forbidding("resetchannels"),
    "other keys": _forbidding("resetkeys", "~other:*"),
    "no writes but SET": _forbidding("-@write", "+set"),
    "no facts": _forbidding("-info", "-time", "-ping"),
    "no reads": _forbidding("-@read"),
    "other password": other_password,
    "no place": full_of_clients,
}
"""Further refusals: of what only some of the parts ask for, and of whoever connects."""


def _save(client: Any) -> None:
    """Make a snapshot fail."""
    client.bgsave()
    deadline = time.monotonic() + BEGUN_SECONDS
    while client.info("persistence")["rdb_last_bgsave_status"] != "err":
        assert time.monotonic() < deadline, "the snapshot did not fail"
        time.sleep(0.05)


def _await_refusal(client: Any) -> None:
    deadline = time.monotonic() + BEGUN_SECONDS
    with suppress(redis.ResponseError):
        while client.ping():
            assert time.monotonic() < deadline, "the script is not busy"
            time.sleep(0.05)


def _run_endless_script(redis_url: str) -> None:
    with _open(redis_url) as client, suppress(redis.RedisError):
        client.eval("while true do end", 0)


def _open(redis_url: str) -> Any:
    return redis.Redis.from_url(redis_url, decode_responses=True)
