"""What the fields of the settings are made of: types with their rules, and derived defaults."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import AfterValidator, BeforeValidator, Field

from cinemill.config import parsers

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """How a setting is displayed and derived, which pydantic does not record."""

    show: Literal["plain", "masked", "masked_url", "bytes"] = "plain"
    derived_from: str = ""
    """The setting that an unset one follows."""
    default_text: str = ""
    """The default in words, where it depends on the machine or on another setting."""


def default_home() -> Path:
    return Path(platformdirs.user_data_path("cinemill", appauthor=False))


def usable_cpus() -> int:
    """CPUs that this process may use, which a container's limit makes fewer than there are."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def compose_redis_url(data: dict[str, Any]) -> str | None:
    if data["redis_host"] is None:
        return None
    return parsers.compose_redis_url(
        data["redis_host"], data["redis_port"], data["redis_db"], data["redis_password"]
    )


def derive_broker_url(data: dict[str, Any]) -> str | None:
    return None if data["redis_url"] is None else parsers.broker_url_for(data["redis_url"])


def _check_database_url(url: str) -> str:
    example = "postgresql://cinemill@db.example:5432/cinemill"
    return parsers.normalise_database_url(parsers.check_url(url, parsers.DATABASE_SCHEMES, example))


def _check_redis_url(url: str) -> str:
    return parsers.check_url(url, parsers.REDIS_SCHEMES, "redis://redis.example:6379/0")


def _check_broker_url(url: str) -> str:
    return parsers.check_url(url, parsers.BROKER_SCHEMES, "redis://redis.example:6379/0")


def _check_result_url(url: str) -> str:
    return parsers.check_url(url, parsers.RESULT_SCHEMES, "redis://redis.example:6379/1")


def _absolute(path: Path) -> Path:
    return parsers.expand_user(path).absolute()


def _check_file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("there is no such file")
    return path


def _check_program(path: Path) -> Path:
    if not os.access(_check_file(path), os.X_OK):
        raise ValueError("the file is not executable")
    return path


def _split_folders(value: object) -> object:
    """``a:b`` as in PATH, or a list in the settings file."""
    if isinstance(value, str):
        return tuple(part for part in value.split(os.pathsep) if part)
    return value


def default_input_roots() -> tuple[Path, ...]:
    """Without the root folder, in which services are started: it would open the whole machine."""
    folders = (Path.home(), Path(tempfile.gettempdir()), Path.cwd())
    return tuple(path.resolve() for path in folders if path.resolve() != Path(path.anchor))


Folders = Annotated[
    tuple[Path, ...],
    BeforeValidator(_split_folders),
    AfterValidator(lambda paths: tuple(path.resolve() for path in paths)),
]
Folder = Annotated[Path, AfterValidator(_absolute)]
ExistingFile = Annotated[Path, AfterValidator(_absolute), AfterValidator(_check_file)]
Program = Annotated[Path, AfterValidator(_absolute), AfterValidator(_check_program)]
Bytes = Annotated[int, BeforeValidator(parsers.parse_bytes), Field(ge=1)]
DatabaseUrl = Annotated[str, AfterValidator(_check_database_url)]
RedisUrl = Annotated[str, AfterValidator(_check_redis_url)]
BrokerUrl = Annotated[str, AfterValidator(_check_broker_url)]
ResultUrl = Annotated[str, AfterValidator(_check_result_url)]
Host = Annotated[str, AfterValidator(parsers.check_host)]
Autoscale = Annotated[str, AfterValidator(parsers.check_autoscale)]
Devices = Annotated[str, AfterValidator(parsers.check_devices)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65535)]
UNSET: Any = None


def setting(
    name: str,
    description: str,
    default: object = UNSET,
    *,
    info: SettingInfo | None = None,
    **rules: Any,
) -> Any:
    """Declare a setting with the public name ``name``; ``rules`` are arguments of ``Field``."""
    if "default_factory" not in rules:
        rules["default"] = default
    # The info travels in json_schema_extra: pydantic keeps unknown annotations for itself.
    return Field(
        validation_alias=name,
        description=description,
        json_schema_extra={"info": info or SettingInfo()},  # type: ignore[dict-item]
        **rules,
    )
