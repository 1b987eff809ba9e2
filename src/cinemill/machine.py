"""How many processors and how much memory this process may use: the machine's, or a container's.

Containers limit both by control groups, which the usual ways to count them do not look at. Versions
1 and 2 are read as cgroups(7), and the kernel's cgroup-v2 and cgroup-v1 documentation describe
them: the group of this process and all above it, each of which may have a limit of its own.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
_KIB = 1024
_LARGEST_LIMIT_BYTES = 2**60
"""Version 1 says "no limit" with a number just below 2 to the 63rd."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What this process may use."""

    cpus: int
    """At least 1; a container's share of processor time is rounded up."""
    memory_bytes: int
    cpu_limit: float | None = None
    """Processors' worth of time that a container may use; None without such a limit."""
    memory_limit_bytes: int | None = None
    """What a container may use; None without a limit."""
    memory_used_bytes: int | None = None
    """What it uses of that, without caches that give way; None without a limit."""

    def describe(self) -> str:
        """Return it in words, for ``doctor``."""
        limits = []
        if self.cpu_limit is not None:
            limits.append(f"{self.cpu_limit:g} CPUs")
        if self.memory_limit_bytes is not None:
            limits.append(f"{self.memory_limit_bytes / 2**30:.1f} GiB")
        own = f"{self.cpus} CPU{'s' if self.cpus > 1 else ''}, {self.memory_bytes / 2**30:.1f} GiB"
        return f"{own} (limits of the container: {', '.join(limits)})" if limits else own


def read_capacity(root: Path = ROOT) -> Capacity:
    """Return what this process may use, as it is now: limits change while containers run.

    ``root`` is the folder that holds ``proc`` and ``sys``.
    """
    groups = list(_list_groups(root))
    limited = [group for group in groups if group.memory_limit_bytes is not None]
    tightest = min(limited, key=lambda group: group.memory_limit_bytes or 0, default=None)
    limit_bytes = tightest.memory_limit_bytes if tightest else None
    whole_bytes = _read_machine_bytes(root)
    if limit_bytes is not None and limit_bytes >= whole_bytes:
        limit_bytes = None
    cpu_limit = min((group.cpus for group in groups if group.cpus is not None), default=None)
    allowed = _list_allowed_cpus(root)
    for group in groups:
        allowed = (allowed & group.cpuset) or allowed if group.cpuset else allowed
    if cpu_limit is not None and cpu_limit >= len(allowed):
        cpu_limit = None
    return Capacity(
        cpus=max(1, min(len(allowed), math.ceil(cpu_limit or len(allowed)))),
        memory_bytes=min(whole_bytes, limit_bytes or whole_bytes),
        cpu_limit=cpu_limit,
        memory_limit_bytes=limit_bytes,
        memory_used_bytes=tightest.used_bytes if tightest and limit_bytes else None,
    )


def usable_cpus(root: Path = ROOT) -> int:
    """Return the number of processors that this process may use; a container may limit it."""
    return read_capacity(root).cpus


def usable_memory_bytes(root: Path = ROOT) -> int:
    """Return how much memory this process may use; a container may limit it."""
    return read_capacity(root).memory_bytes


@dataclass(frozen=True, slots=True)
class _Group:
    """The limits of one control group; None for each that it has not."""

    cpus: float | None = None
    cpuset: frozenset[int] = frozenset()
    memory_limit_bytes: int | None = None
    used_bytes: int | None = None


def _list_groups(root: Path) -> Iterator[_Group]:
    """Yield the groups of this process and those above, as far as they can be seen from here."""
    paths = _read_own_paths(root)
    for line in _read(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(), after.split()
        if len(fields) < 5 or len(kinds) < 3 or kinds[0] not in ("cgroup", "cgroup2"):
            continue
        is_unified = kinds[0] == "cgroup2"
        controllers = {""} if is_unified else set(kinds[2].split(","))
        own = next((paths[one] for one in controllers if one in paths), None)
        if own is not None:
            place = root / _unescape(fields[4]).lstrip("/")
            read = _read_unified if is_unified else _read_version_1
            for folder in _list_folders(place, _unescape(fields[3]), own):
                yield read(folder, controllers)


def _read_own_paths(root: Path) -> dict[str, str]:
    """Return the path of this process' group by controller; version 2 is the empty name."""
    paths: dict[str, str] = {}
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def _list_folders(mount: Path, mounted: str, own: str) -> Iterator[Path]:
    """Yield the folders from this process' group up to the mount.

    ``mounted`` is which group is mounted there: containers often see only their own.
    """
    yield mount
    outer, parts = ([part for part in path.split("/") if part] for path in (mounted, own))
    parts = parts[len(outer) :] if parts[: len(outer)] == outer else []
    if ".." not in parts:
        for count in range(1, len(parts) + 1):
            yield mount.joinpath(*parts[:count])


def _read_unified(folder: Path, _controllers: set[str]) -> _Group:
    limits = [_read_bytes(folder / name) for name in ("memory.max", "memory.high")]
    limit_bytes = min((one for one in limits if one is not None), default=None)
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    return _Group(
        cpus=_share(quota, period),
        cpuset=_parse_cpus(_read(folder / "cpuset.cpus.effective")),
        memory_limit_bytes=limit_bytes,
        used_bytes=None if limit_bytes is None else _read_used(folder, "memory.current", ""),
    )


def _read_version_1(folder: Path, controllers: set[str]) -> _Group:
    cpus, limit_bytes, used_bytes, cpuset = None, None, None, frozenset[int]()
    if "cpu" in controllers:
        quota, period = (_read(folder / f"cpu.cfs_{one}_us") for one in ("quota", "period"))
        cpus = _share(quota, period)
    if "cpuset" in controllers:
        own = _parse_cpus(_read(folder / "cpuset.effective_cpus"))
        cpuset = own or _parse_cpus(_read(folder / "cpuset.cpus"))
    if "memory" in controllers:
        own_bytes = _read_bytes(folder / "memory.limit_in_bytes")
        # Of groups above that cannot be seen from inside a container.
        above_bytes = _keep_limit(_read_table(folder / "memory.stat"), "hierarchical_memory_limit")
        limit_bytes = min((one for one in (own_bytes, above_bytes) if one), default=None)
        if limit_bytes is not None:
            used_bytes = _read_used(folder, "memory.usage_in_bytes", "total_")
    return _Group(cpus, cpuset, limit_bytes, used_bytes)


def _share(quota: str, period: str) -> float | None:
    """Return the processors' worth of time that a quota allows in each period, or None."""
    try:
        allowed, each = int(quota), int(period)
    except ValueError:
        return None  # "max", or there is no such file
    return allowed / each if allowed > 0 and each > 0 else None


def _read_bytes(path: Path) -> int | None:
    """Return a limit in bytes; None for "max", for "no limit", and without such a file."""
    return _keep_limit({"": _read(path)}, "")


def _keep_limit(table: dict[str, str], name: str) -> int | None:
    written = table.get(name, "")
    if not written.isdecimal():
        return None
    return int(written) if 0 < int(written) < _LARGEST_LIMIT_BYTES else None


def _read_used(folder: Path, name: str, prefix: str) -> int | None:
    """Return what a group uses, without files in its cache that were not used lately."""
    used_bytes = _read_bytes(folder / name)
    cached = _read_table(folder / "memory.stat").get(f"{prefix}inactive_file", "0")
    if used_bytes is None or not cached.isdecimal():
        return used_bytes
    return max(0, used_bytes - int(cached))


def _read_table(path: Path) -> dict[str, str]:
    pairs = (line.partition(" ") for line in _read(path).splitlines())
    return {name: value.strip() for name, _, value in pairs}


def _parse_cpus(written: str) -> frozenset[int]:
    """Return the processors of a list such as ``0-3,8``; none if it is no such list."""
    found: set[int] = set()
    try:
        for part in filter(None, written.split(",")):
            first, _, last = part.partition("-")
            found.update(range(int(first), int(last or first) + 1))
    except ValueError:
        return frozenset()
    return frozenset(found)


def _list_allowed_cpus(root: Path) -> frozenset[int]:
    """Return the processors that this process may be scheduled on."""
    status = dict(line.split(":", 1) for line in _split_fields(root / "proc/self/status"))
    allowed = _parse_cpus(status.get("Cpus_allowed_list", "").strip())
    online = _parse_cpus(_read(root / "sys/devices/system/cpu/online"))
    if allowed:
        return (allowed & online) or allowed
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def _split_fields(path: Path) -> list[str]:
    return [line for line in _read(path).splitlines() if ":" in line]


def _read_machine_bytes(root: Path) -> int:
    fields = dict(line.split(":", 1) for line in _split_fields(root / "proc/meminfo"))
    kibibytes = fields.get("MemTotal", "").removesuffix("kB").strip()
    if kibibytes.isdecimal():
        return int(kibibytes) * _KIB
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _unescape(path: str) -> str:
    """Return a path of mountinfo as it is: spaces and others are written in octal (proc 5)."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, char)
    return path


def _read(path: Path) -> str:
    """Return a file of the kernel's; empty where there is none, or it may not be read."""
    try:
        return path.read_text("ascii", "replace").strip()
    except (OSError, ValueError):
        return ""
