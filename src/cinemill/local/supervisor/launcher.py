"""The program that runs between fork and exec of a child, as ``python -I -S launcher.py``.

It is a separate program that uses only the standard library, because code that runs in a forked
copy of a threaded parent may deadlock, and because ``-I -S`` starts in about 15 ms.

Arguments: ``PARENT_PID DEATH_SIGNAL IDENTITY COMMAND…``. The child gets ``DEATH_SIGNAL`` when the
thread that started it ends (Linux). ``IDENTITY`` is one of :data:`IDENTITIES`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

IDENTITIES = ("same", "mapped", "nobody")
"""The user that a child runs as.

``same``: our own. ``mapped``: our own, seen as uid 65534 in a user namespace, with access to our
files. ``nobody``: the user nobody, after root has dropped its privileges.
"""

MAPPED_ID = 65534
EXIT_REFUSED = 125

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000


def exec_command(identity: str) -> None:
    """Take on the identity. Raises OSError if the kernel refuses."""
    if identity == "mapped":
        _enter_user_namespace()
    elif identity == "nobody":
        _drop_privileges()


def die_with_parent(parent_pid: int, death_signal: int) -> None:
    """Request ``death_signal`` for when the parent ends; exit at once if it already has."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signal.SIGKILL)


def _enter_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if sys.platform != "linux":
        raise OSError("user namespaces exist on Linux only")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare was refused")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{MAPPED_ID} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{MAPPED_ID} {gid} 1")


def _drop_privileges() -> None:
    import pwd  # here for start-up cost: only where root starts PostgreSQL

    entry = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def main(arguments: list[str]) -> None:
    parent_pid, death_signal, identity, *command = arguments
    try:
        exec_command(identity)
    except (OSError, KeyError) as problem:
        print(f"cannot run as '{identity}': {problem}", file=sys.stderr)  # noqa: T201
        raise SystemExit(EXIT_REFUSED) from problem
    # After the change of identity: the kernel clears this setting when credentials change.
    die_with_parent(int(parent_pid), int(death_signal))
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
