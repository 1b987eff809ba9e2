"""The checks of ``cinemill doctor``. Each one really uses what it checks."""

from __future__ import annotations

import os
import platform
import stat
import sys
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import TYPE_CHECKING

from cinemill.cli.capability_commands import find_unbuildable
from cinemill.cli.commands.doctor.check import Check, Level
from cinemill.cli.commands.doctor.work import check_relay, check_workers
from cinemill.cli.console import format_size
from cinemill.errors import CinemillError, RedisUnavailable, SecretUnusable

if TYPE_CHECKING:
    from pathlib import Path

    from cinemill.config import Settings

PYTHONS = ((3, 11), (3, 13))
NEEDED_EXTENSIONS = frozenset({"vector", "pg_trgm"})


def run_checks(settings: Settings, commands: Collection[str] = ()) -> Iterator[Check]:
    """Run all checks, and yield each result at once; includes servers running on this home.

    ``commands`` are the names of built-in commands, which no package can use.
    """
    from cinemill.config import apply_running_instance

    joined = apply_running_instance(settings)
    checks: tuple[tuple[str, Callable[[Settings], Iterator[Check]]], ...] = (
        ("Python", check_python),
        ("settings", check_settings),
        ("home", check_home),
        ("secrets", check_secrets),
        ("machine", check_machine),
        ("FFmpeg", check_ffmpeg),
        ("sandbox", check_sandbox),
        ("hardware", check_hardware),
        ("detection", check_detection),
        ("packages", partial(check_packages, commands=commands)),
        ("database", check_database),
        ("Qdrant", check_qdrant),
        ("Redis", check_redis),
        ("messages", check_messages),
        ("API", check_api),
        ("workers", check_workers),
        ("relay", check_relay),
    )
    for part, check in checks:
        try:
            # The URLs of a running server are not settings that a user has made.
            yield from check(settings if part in ("settings", "secrets") else joined)
        except CinemillError as error:
            yield Check(part, Level.FAIL, error.message, error.hint)


def check_python(_: Settings) -> Iterator[Check]:
    message = f"{platform.python_version()} on {platform.machine()}"
    lowest, highest = PYTHONS
    if lowest <= sys.version_info[:2] <= highest:
        yield Check("Python", Level.OK, message)
    else:
        yield Check("Python", Level.WARN, message, "Cinemill is tested on Python 3.11 to 3.13.")


def check_settings(settings: Settings) -> Iterator[Check]:
    for warning in settings.warnings:
        yield Check("settings", Level.WARN, warning, "See 'cinemill config'.")
    if not settings.warnings:
        yield Check("settings", Level.OK, f"all valid; {_describe_set_values(settings)}")


def _describe_set_values(settings: Settings) -> str:
    """Return the settings that are not defaults, grouped by source, with secrets masked."""
    by_source: dict[str, list[str]] = {}
    for row in settings.describe():
        if row.source != "default" and not row.source.startswith("derived"):
            by_source.setdefault(row.source, []).append(f"{row.name}={row.value_masked}")
    described = (f"{', '.join(rows)} ({source})" for source, rows in by_source.items())
    return "; ".join(described) or "none set, so defaults apply"


def check_home(settings: Settings) -> Iterator[Check]:
    home = settings.home
    if not home.exists():
        yield _check_future_home(home)
        return
    mode = stat.S_IMODE(home.stat().st_mode)
    if mode & 0o077:
        hint = f"Run: chmod 700 {home}"
        yield Check(
            "home", Level.FAIL, f"{home} can be read by other users (mode {mode:04o})", hint
        )
    elif not os.access(home, os.W_OK | os.X_OK):
        yield Check(
            "home", Level.FAIL, f"{home} is not writable", "Make this user its owner, with chown."
        )
    else:
        yield Check("home", Level.OK, f"{home}, mode {mode:04o}")
    yield from _check_disk_space(settings)


def check_secrets(settings: Settings) -> Iterator[Check]:
    """Check the files in the home folder that hold a token or a password, if they are used."""
    from cinemill.storage.secrets import is_open_to_others, read_secret

    found = [path for path in _list_secret_files(settings) if os.path.lexists(path)]
    problems = False
    for path in found:
        try:
            read_secret(path)
        except SecretUnusable as error:
            problems = True
            yield Check("secrets", Level.FAIL, error.message, error.hint)
        if is_open_to_others(path):
            problems = True
            message = f"other users can read or change {path}"
            yield Check("secrets", Level.WARN, message, f"Run: chmod 600 {path}")
    if not problems:
        message = f"{len(found)} valid" if found else "created at the first start"
        yield Check("secrets", Level.OK, message)


def _list_secret_files(settings: Settings) -> Iterator[Path]:
    home = settings.home
    yield home / "token"
    if settings.database_url is None:
        yield home / "postgres" / "password"
        yield home / "postgres" / "superuser_password"
    if settings.redis_url is None:
        yield home / "valkey" / "password"


def _check_future_home(home: Path) -> Check:
    """Check whether a home folder that does not exist yet can be created."""
    above = next(folder for folder in home.parents if folder.exists())
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        return Check("home", Level.OK, f"{home} will be created at the first start")
    message = f"{home} cannot be created: no write permission in {above}"
    return Check("home", Level.FAIL, message, "Choose another folder with CINEMILL_HOME.")


def _check_disk_space(settings: Settings) -> Iterator[Check]:
    import shutil

    free = shutil.disk_usage(settings.home).free
    message = f"{format_size(free)} free"
    if free < settings.min_free_bytes:
        hint = "Free disk space; until then no work is accepted (CINEMILL_MIN_FREE_BYTES)."
        yield Check("disk", Level.FAIL, message, hint)
    elif free < 10 * settings.min_free_bytes:
        yield Check("disk", Level.WARN, message, "There may not be enough space for a long video.")
    else:
        yield Check("disk", Level.OK, message)


def check_machine(settings: Settings) -> Iterator[Check]:
    from cinemill.machine import read_capacity
    from cinemill.media.ffmpeg.limits import find_overload
    from cinemill.shared_memory import HINT, find_problem

    capacity, problem = read_capacity(), find_problem()
    hint = find_overload(capacity.memory_bytes, settings.celery_worker_concurrency)
    yield Check("machine", Level.WARN if hint else Level.OK, capacity.describe(), hint)
    yield from [Check("machine", Level.WARN, problem, HINT)] if problem else []


def check_ffmpeg(settings: Settings) -> Iterator[Check]:
    from cinemill.media.ffmpeg.binary import NEEDED_ENCODERS, find_ffmpeg, try_encoder

    ffmpeg = find_ffmpeg(settings.ffmpeg_path)
    message = f"{ffmpeg.version} at {ffmpeg.ffmpeg}"
    broken = [name for name in sorted(NEEDED_ENCODERS) if not try_encoder(ffmpeg, name)]
    if broken:
        hint = "Unset FFMPEG_PATH to use the one that comes with Cinemill."
        yield Check("FFmpeg", Level.FAIL, f"{message} cannot encode {', '.join(broken)}", hint)
    else:
        encoders = ", ".join(sorted(NEEDED_ENCODERS))
        vmaf_note = (
            "" if "libvmaf" in ffmpeg.filters else "; no libvmaf, so vmaf_min cannot be used"
        )
        yield Check("FFmpeg", Level.OK, f"{message}; encoded with {encoders}{vmaf_note}")


def check_sandbox(settings: Settings) -> Iterator[Check]:
    from cinemill.media.ffmpeg.sandbox import detect_sandbox

    sandbox = detect_sandbox(settings.sandbox)
    if sandbox.is_isolated:
        yield Check("sandbox", Level.OK, sandbox.describe())
    else:
        yield Check("sandbox", Level.WARN, sandbox.describe(), "Install bubblewrap.")


def check_hardware(settings: Settings) -> Iterator[Check]:
    """Check the hardware encoders of this machine; without any, videos are encoded in software."""
    from cinemill.worker.hardware.detection import find_hardware

    found = find_hardware(settings)
    working = ", ".join(encoder.name for encoder in found.encoders)
    if working:
        yield Check("hardware", Level.OK, f"encoded with {working}")
    elif not found.refused:
        yield Check("hardware", Level.OK, "no hardware encoder; videos are encoded in software")
    reasons = [f"{name}: {reason}" for name, reason in found.refused.items()]
    if reasons:
        hint = "If it should work, check its driver. Until then videos are encoded in software."
        level = Level.OK if working else Level.WARN
        yield Check("hardware", level, f"no {'; no '.join(reasons)}", "" if working else hint)


def check_detection(settings: Settings) -> Iterator[Check]:
    from cinemill.cli.commands.detect.registry import describe_detector

    yield Check("detection", Level.OK, *describe_detector(settings))


def check_database(settings: Settings) -> Iterator[Check]:
    if settings.database_url is None:
        yield from _check_embedded_database()
        return
    from cinemill.storage.inspection import inspect_database

    facts = inspect_database(settings.database_url, direct_url=settings.database_direct_url)
    message = f"PostgreSQL {facts.version}, responds in {facts.round_trip_seconds * 1000:.1f} ms"
    missing = sorted(NEEDED_EXTENSIONS - facts.extensions)
    message += f", through {facts.pooler}" if facts.pooler else ""
    if missing:
        hint = "Install these extensions on the server; pgvector's name there is 'vector'."
        yield Check("database", Level.FAIL, f"{message}, lacks {', '.join(missing)}", hint)
    else:
        schema = facts.revision or "empty; created at the first start"
        yield Check("database", Level.OK, f"{message}, schema {schema}")
    message, is_well = facts.describe_clock()
    hint = "Synchronize the clocks with NTP. Jobs are safe, but displayed times are wrong."
    level = Level.OK if is_well else Level.WARN
    yield Check("clock", level, message, "" if is_well else hint)


def _check_embedded_database() -> Iterator[Check]:
    from cinemill.local.servers.postgres import find_binaries

    message = f"embedded, not running ({find_binaries()})"
    yield Check("database", Level.OK, message, "It starts with 'cinemill up'.")


def check_qdrant(settings: Settings) -> Iterator[Check]:
    """Check Qdrant, where it is set up; searches work without it."""
    from cinemill.cli.commands.index.state import describe_qdrant

    if (found := describe_qdrant(settings)) is not None:
        message, hint = found
        yield Check("Qdrant", Level.WARN if hint else Level.OK, message, hint)


def check_redis(settings: Settings) -> Iterator[Check]:
    if settings.redis_url is None:
        yield Check("Redis", Level.OK, "embedded, not running", "It starts with 'cinemill up'.")
        return
    from cinemill.jobs.events import NEARLY_FULL
    from cinemill.storage.inspection import inspect_redis

    facts = inspect_redis(settings.redis_url)
    latency_ms = facts.round_trip_seconds * 1000
    message = f"{facts.product} {facts.version}, responds in {latency_ms:.1f} ms"
    yield Check("Redis", Level.OK, message)
    if facts.refusal is not None:
        hint = "No new work starts until Redis accepts writes; then everything resumes by itself."
        yield Check("Redis", Level.FAIL, f"refuses writes: {facts.refusal}", hint)
    if facts.fullness is not None and facts.fullness >= NEARLY_FULL:
        hint = "Raise its maxmemory: when it is full, no new work starts."
        yield Check("Redis", Level.WARN, f"uses {facts.fullness:.0%} of its memory", hint)
    if facts.keeps_every_write is False:
        hint = "Set 'appendonly yes'. Without it, a restart delays work by seconds, no more."
        yield Check("Redis", Level.WARN, "has no append-only file", hint)
    if facts.eviction_policy not in (None, "noeviction"):
        hint = "Set 'maxmemory-policy noeviction': messages must not be evicted."
        yield Check("Redis", Level.WARN, f"evicts keys ({facts.eviction_policy})", hint)


def check_messages(settings: Settings) -> Iterator[Check]:
    """Check for messages in lists that no worker reads, whose senders would wait forever."""
    from cinemill.catalog import CATALOG
    from cinemill.jobs.adoption.unread import count_unread
    from cinemill.storage.jobs.stray_messages import find_broker_refusal

    is_other = settings.celery_broker_url != settings.redis_url
    try:
        if is_other and (refusal := find_broker_refusal(settings.celery_broker_url)) is not None:
            hint = "No new work starts until the broker (CELERY_BROKER_URL) accepts messages again."
            yield Check("messages", Level.FAIL, f"the broker refuses them: {refusal}", hint)
            return
        found = count_unread(settings.celery_broker_url, CATALOG)
    except RedisUnavailable:
        if is_other:
            raise
        return  # check_redis reports this.
    if not found:
        return
    named = ", ".join(f"{count} in '{queue}'" for queue, count in sorted(found.items()))
    message = f"messages without the key prefix 'cinemill:', which no worker reads: {named}"
    hint = (
        "Within 20 s 'cinemill beat' adopts them where nobody else reads that list, unless"
        " CINEMILL_ADOPT_UNPREFIXED is off; set the sender's 'global_keyprefix' to 'cinemill:'."
    )
    yield Check("messages", Level.WARN, message, hint)


def check_packages(settings: Settings, *, commands: Collection[str]) -> Iterator[Check]:
    """Check the capabilities of installed packages by importing, composing and building them."""
    from cinemill.catalog import COMPOSITION

    left_out = [*COMPOSITION.left_out, *find_unbuildable(settings, COMPOSITION, commands)]
    for one in left_out:
        yield Check("packages", Level.WARN, one.reason, one.hint)
    faulty = {one.origin for one in left_out}
    usable = [one for one in COMPOSITION.installed if one.origin not in faulty]
    named = [f"{one.capability.name} ({one.origin})" for one in usable]
    message = f"bring {', '.join(named)}" if named else "none brings a capability that can be used"
    yield Check("packages", Level.OK, message)


def check_api(settings: Settings) -> Iterator[Check]:
    from cinemill.cli.connect import connect
    from cinemill.client import ClientError

    try:
        with connect() as client:
            health = client.health()
            offers = client.stats()["hardware"] if health.get("hardware") == "resting" else ()
    except ClientError as error:
        if error.status:
            raise
        yield _check_port(settings, error)
        return
    level = Level.OK if health.get("status") == "ok" else Level.FAIL
    message = ", ".join(f"{name} {value}" for name, value in health.items() if name != "status")
    yield Check("API", level, f"{client.base_url} is {health.get('status')}: {message}")
    for offer in offers:
        if offer["status"] == "resting":
            message = (
                f"{offer['encoder']} of {offer['node']} was suspended after repeated "
                f"failures: {offer['reason']}"
            )
            hint = (
                "Check its driver. Cinemill retests it periodically; meanwhile other "
                "encoders do its work."
            )
            yield Check("hardware", Level.WARN, message, hint)


def _check_port(settings: Settings, error: CinemillError) -> Check:
    from cinemill.listening import listen

    try:
        listen(settings.host, settings.port).close()
    except CinemillError as unusable:
        return Check("API", Level.FAIL, unusable.message, unusable.hint)
    message = f"{error.message} Port {settings.port} is free."
    return Check("API", Level.WARN, message, error.hint)
