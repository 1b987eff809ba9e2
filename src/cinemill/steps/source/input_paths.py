"""Files that people name by their path: real files inside the allowed roots, and no others."""

from __future__ import annotations

from pathlib import Path

from cinemill.errors import InputRejected


def resolve_input(path: str, roots: tuple[Path, ...]) -> Path:
    """Return the real file behind ``path``.

    Raises InputRejected where it is outside ``roots`` or not a file.
    """
    if "\x00" in path:
        raise InputRejected("A path cannot contain a NUL character.", code="path_invalid")
    try:
        real = Path(path).resolve()
        is_file = real.is_file()
    except (OSError, RuntimeError):  # a name too long, links that lead in a circle
        real, is_file = Path(path).absolute(), False
    if not any(real.is_relative_to(root.resolve()) for root in roots):
        raise InputRejected(
            f"{path} is outside the folders from which videos may be imported.",
            code="path_forbidden",
            hint=_forbidden_hint(path),
        )
    if not is_file:
        raise InputRejected(
            f"There is no video at {path}.",
            code="source_not_found",
            hint="Give an absolute path that the workers can read.",
        )
    return real


def _forbidden_hint(path: str) -> str:
    if Path(path).is_absolute():
        return "Move the video, or add its folder to CINEMILL_INPUT_ROOTS."
    return "Give an absolute path: the worker that opens the file has a different working folder."
