"""The sandbox around a command that reads untrusted bytes.

Three layers, each used where the machine has it: ``setpriv`` (the command dies with the worker that
started it), ``prlimit`` (memory, processor time, file size), ``bwrap`` (no network, no file but its
own program, its private folder and its one source). If setpriv and prlimit are missing, the same is
done between fork and exec; nothing can replace a missing bwrap, and ``Sandbox.describe`` says so.
"""

from __future__ import annotations

import ctypes
import functools
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cinemill.errors import ToolMissing
from cinemill.media.ffmpeg.limits import Limits

TRIAL_TIMEOUT_SECONDS = 10
CPU_GRACE_SECONDS = 5
"""Between SIGXCPU, which says what happened, and SIGKILL, which could come from anywhere."""
_PR_SET_PDEATHSIG = 1


class SandboxMode(StrEnum):
    AUTO = "auto"
    OFF = "off"
    REQUIRE = "require"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The programs that make up the sandbox; None for each that this machine lacks."""

    bwrap: Path | None = None
    setpriv: Path | None = None
    prlimit: Path | None = None

    @property
    def is_isolated(self) -> bool:
        """Return whether a command sees no files but its own and no network."""
        return self.bwrap is not None

    def describe(self) -> str:
        """Return one sentence for ``doctor`` and logs."""
        if self.is_isolated:
            return "bubblewrap: no network, no files but the source and a private folder"
        return "no bubblewrap: FFmpeg's own whitelists and resource limits only"


def detect_sandbox(mode: SandboxMode | str = SandboxMode.AUTO) -> Sandbox:
    """Detect what this machine has. Raises ToolMissing under ``require`` if bwrap does not work."""
    wanted = SandboxMode(mode)
    bwrap = None if wanted is SandboxMode.OFF else _find_bwrap()
    if wanted is SandboxMode.REQUIRE and bwrap is None:
        raise ToolMissing(
            "CINEMILL_SANDBOX=require, and bubblewrap does not work on this machine.",
            hint="Install bubblewrap and allow user namespaces, or set CINEMILL_SANDBOX=auto.",
        )
    return Sandbox(bwrap=bwrap, setpriv=_which("setpriv"), prlimit=_which("prlimit"))


def is_isolated(mode: SandboxMode | str) -> bool:
    """Return whether commands of this machine see no files but their own and no network."""
    try:
        return detect_sandbox(mode).is_isolated
    except ToolMissing:
        return False


def wrap_command(
    sandbox: Sandbox,
    command: Sequence[str],
    *,
    limits: Limits,
    folder: Path | None,
    readable: Sequence[Path] = (),
    devices: Sequence[Path] = (),
) -> list[str]:
    """Wrap ``command`` in the sandbox.

    It may write in ``folder``, read ``readable``, and use ``devices``, with what their drivers
    need.
    """
    return [
        *_die_with_parent(sandbox),
        *_limit_resources(sandbox, limits),
        *_isolate(sandbox, folder, readable, devices),
        *command,
    ]


def prepare_child(sandbox: Sandbox, limits: Limits) -> Callable[[], None] | None:
    """Return what must run between fork and exec if setpriv or prlimit is missing, else None."""
    if sandbox.setpriv is not None and sandbox.prlimit is not None:
        return None

    def restrict() -> None:
        if sandbox.setpriv is None and sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if sandbox.prlimit is None:
            for kind, value in _resource_limits(limits):
                grace = CPU_GRACE_SECONDS if kind == resource.RLIMIT_CPU else 0
                resource.setrlimit(kind, (value, value + grace))

    return restrict


@functools.lru_cache(maxsize=32)
def find_libraries(program: Path) -> tuple[Path, ...]:
    """Return the shared libraries and loader that ``program`` needs, or whole library folders."""
    try:
        listed = subprocess.run(
            ["ldd", str(program)],  # noqa: S607 - found by PATH like every other system tool
            capture_output=True,
            text=True,
            errors="replace",  # paths may hold any bytes
            timeout=TRIAL_TIMEOUT_SECONDS,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return library_folders()
    words = {word for line in listed.splitlines() for word in line.split() if word[0] == "/"}
    return (*(Path(word) for word in sorted(words)), *_existing("/etc/ld.so.cache"))


def library_folders() -> tuple[Path, ...]:
    """Return the machine's library folders, for a program that loads more libraries at run time."""
    return _existing("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")


def _existing(*names: str) -> tuple[Path, ...]:
    return tuple(Path(name) for name in names if Path(name).exists())


def _die_with_parent(sandbox: Sandbox) -> list[str]:
    return [] if sandbox.setpriv is None else [str(sandbox.setpriv), "--pdeathsig", "KILL", "--"]


def _limit_resources(sandbox: Sandbox, limits: Limits) -> list[str]:
    if sandbox.prlimit is None:
        return []
    return [
        str(sandbox.prlimit),
        f"--data={limits.memory_bytes}",
        f"--cpu={limits.cpu_seconds}:{limits.cpu_seconds + CPU_GRACE_SECONDS}",
        f"--fsize={limits.max_output_bytes}",
        "--core=0",
        "--",
    ]


def _resource_limits(limits: Limits) -> list[tuple[int, int]]:
    return [
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_FSIZE, limits.max_output_bytes),
        (resource.RLIMIT_CORE, 0),
    ]


def _isolate(
    sandbox: Sandbox,
    folder: Path | None,
    readable: Sequence[Path],
    devices: Sequence[Path] = (),
) -> list[str]:
    if sandbox.bwrap is None:
        return []
    arguments = [str(sandbox.bwrap), "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
    arguments += ["--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 - the sandbox' own empty one
    # Folders first: a file bound inside a folder that is bound later would be hidden by it.
    drivers = (*library_folders(), *_existing("/sys", "/usr/share")) if devices else ()
    bound = {path for path in readable if not any(map(path.is_relative_to, drivers))}
    for path in sorted({*bound, *drivers}, key=lambda path: (len(path.parts), str(path))):
        arguments += ["--ro-bind", str(path), str(path)]
    for device in devices:
        arguments += ["--dev-bind-try", str(device), str(device)]
    if devices:
        arguments += ["--proc", "/proc"]  # NVIDIA's driver looks there itself
    if folder is not None:
        arguments += ["--bind", str(folder), str(folder), "--chdir", str(folder)]
    return [*arguments, "--"]


def _find_bwrap() -> Path | None:
    bwrap = _which("bwrap")
    return bwrap if bwrap is not None and _isolates(bwrap) else None


@functools.lru_cache(maxsize=4)
def _isolates(bwrap: Path) -> bool:
    """Check by running it: containers often have bwrap but forbid the namespaces it needs."""
    program = shutil.which("true") or "/bin/true"
    trial = [*_isolate(Sandbox(bwrap=bwrap), None, [Path(program), *find_libraries(Path(program))])]
    try:
        done = subprocess.run(
            [*trial, program], capture_output=True, timeout=TRIAL_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _which(name: str) -> Path | None:
    found = shutil.which(name)
    return None if found is None else Path(found)
