"""The public surface as text: one line for each name that other people's programs may use.

``python -m tests.surface`` rewrites it after an intended change. Announce the change in the
changelog; if it breaks a package, raise ``PROTOCOL_VERSION`` as well.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints, is_typeddict

from pydantic import BaseModel

from cinemill.catalog import BUILT_IN
from cinemill.core.job import ClaimedRun
from cinemill.core.media import AudioStream, VideoStream
from cinemill.jobs.catalog import JobKind
from cinemill.jobs.service import JobService
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.process import FfmpegReport
from cinemill.media.ffmpeg.progress import FfmpegProgress
from cinemill.storage.database import Database
from cinemill.storage.media.files import LocalFiles

PATH = Path(__file__).with_name("public_surface.txt")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
REACHED: tuple[type[Any], ...] = (
    AudioStream,
    ClaimedRun,
    Database,
    FfmpegProgress,
    FfmpegReport,
    JobService,
    Limits,
    LocalFiles,
    VideoStream,
)
"""Types whose objects packages are given without importing them."""
MODULES = (
    "cinemill.capability",
    "cinemill.capability.handlers",
    "cinemill.client",
    "cinemill.testing",
)


def describe_surface() -> list[str]:
    """Describe all public modules, line by line."""
    lines = [line for name in MODULES for line in _describe_module(name)]
    lines += [line for one in REACHED for line in _describe(f"reached: {one.__name__}", one)]
    tasks = sorted(
        f"cinemill.worker.tasks.{kind.name}{_sign_task(kind)}"
        for capability in BUILT_IN
        for kind in capability.jobs
    )
    return [_ADDRESS.sub("", line) for line in [*lines, *tasks]]


def _describe_module(name: str) -> Iterator[str]:
    module = import_module(name)
    for export in module.__all__:
        yield from _describe(f"{name}.{export}", getattr(module, export))


def _describe(path: str, value: Any) -> Iterator[str]:
    if inspect.isfunction(value):
        yield f"{path}{inspect.signature(value)}"
    elif is_typeddict(value):
        yield f"{path}: {', '.join(get_type_hints(value))}"
    elif not inspect.isclass(value):
        yield f"{path} = {value}"
    elif issubclass(value, enum.Enum):
        yield f"{path}: {', '.join(str(member.value) for member in value)}"
    elif issubclass(value, Exception):
        yield f"{path}{inspect.signature(value)}: {getattr(value, 'code', '')}".rstrip(": ")
    else:
        yield from _describe_class(path, value)


def _describe_class(path: str, value: Any) -> Iterator[str]:
    is_protocol = getattr(value, "_is_protocol", False)
    yield path if is_protocol else f"{path}{_sign(value)}"
    fields = {one.name for one in dataclasses.fields(value)} if _has_fields(value) else set()
    for name, member in sorted(vars(value).items()):
        if name.startswith("_") or name in fields:
            continue
        function = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
        if inspect.isfunction(function):
            yield f"{path}.{name}{inspect.signature(function)}"


def _sign(value: type[Any]) -> str:
    """Return how an object is made; of a pydantic model its fields, which are not always typed
    the same way in its signature."""
    if not issubclass(value, BaseModel):
        return str(inspect.signature(value))
    fields = value.model_fields.items()
    listed = (name if one.is_required() else f"{name} = {one.default!r}" for name, one in fields)
    return f"({', '.join(listed)})"


def _sign_task(kind: JobKind[Any]) -> str:
    """Return what a task takes: by position, then by name."""
    by_name = [name for name in kind.parameters.model_fields if name not in kind.positional]
    return f"({', '.join([*kind.positional, '*', *by_name] if by_name else kind.positional)})"


def _has_fields(value: Any) -> bool:
    return dataclasses.is_dataclass(value)


if __name__ == "__main__":
    PATH.write_text("\n".join(describe_surface()) + "\n", encoding="utf-8")
