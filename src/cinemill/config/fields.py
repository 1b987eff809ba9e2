"""The types of the settings with their rules, and the defaults that are computed."""

from __future__ import annotations

import os
import re
import ssl
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import platformdirs
from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, FilePath, PlainSerializer
from pydantic.config import JsonDict

from cinemill.config import parsers
from cinemill.machine import read_capacity

GIB = 1024**3
_REDIS = "redis://redis.example:6379/0"
_HTTP = "http://models.example:8000/v1"
_QDRANT = "http://qdrant.example:6333"
_DATABASE = "postgresql://cinemill@db.example:5432/cinemill"
_BROKER_SCHEMES = ("redis", "rediss", "sentinel", "redis+socket")
_DATABASE_SCHEMES = ("postgresql", "postgresql+psycopg")
_MODEL_SUFFIXES = (".onnx", ".pth", ".safetensors")
_RESULT_SCHEMES = (*_BROKER_SCHEMES, "rpc", *(f"db+{name}" for name in _DATABASE_SCHEMES))


def default_home() -> Path:
    """Return the user's data folder for Cinemill; a relative one for a user without a home."""
    try:
        return Path(platformdirs.user_data_path("cinemill", appauthor=False))
    except RuntimeError:
        return Path("cinemill")


def default_concurrency() -> int:
    """Return how many tasks a worker of this machine runs at a time, 1 to 4."""
    capacity = read_capacity()
    return max(1, min(4, capacity.cpus, capacity.memory_bytes // GIB))


def compose_redis_url(data: dict[str, Any]) -> str | None:
    """Return the URL of the server that REDIS_HOST and its companions name, or None.

    ``RedisDsn.build`` would neither escape a password nor bracket an IPv6 address.
    """
    host, password = data["redis_host"], data["redis_password"]
    if host is None:
        return None
    secret = f":{quote(password.get_secret_value(), safe='')}@" if password else ""
    name = f"[{host}]" if ":" in host else host
    return f"redis://{secret}{name}:{data['redis_port']}/{data['redis_db']}"


def derive_broker_url(data: dict[str, Any]) -> str | None:
    """Return REDIS_URL in kombu's spelling, which is ``redis+socket`` for ``unix``, or None."""
    scheme, _, rest = (data["redis_url"] or "").partition("://")
    if scheme != "unix":
        return data["redis_url"] or None
    return "redis+socket://" + re.sub(r"(?<=[?&])db=", "virtual_host=", rest)


def derive_soft_limit(data: Mapping[str, int]) -> int:
    """Return a soft limit below the hard one: a sixth of it earlier, and at most five minutes."""
    hard = data["celery_task_time_limit"]
    return hard - min(300, max(1, hard // 6))


def default_input_roots() -> tuple[Path, ...]:
    """Return the default folders, without the root folder: it would open the whole machine.

    Services are often started in the root folder.
    """
    folders = (parsers.expand_user(Path("~")), Path(tempfile.gettempdir()), Path.cwd())
    resolved = (path.resolve() for path in folders if path.is_absolute())
    return tuple(path for path in resolved if path != Path(path.anchor))


def _check_executable(path: Path) -> Path:
    if not os.access(path, os.X_OK):
        raise ValueError("the file is not executable")
    return path


def _check_certificates(path: Path) -> Path:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ValueError("the file has no valid certificates in PEM") from error
    return path


def _split_folders(value: object) -> object:
    text = os.pathsep.join(value) if isinstance(value, list) else value
    return tuple(filter(None, text.split(os.pathsep))) if isinstance(text, str) else value


def _absolute(value: object) -> object:
    return parsers.expand_user(Path(value)).absolute() if isinstance(value, str | Path) else value


def _check_readable(path: object) -> object:
    """Return the path. Raises ValueError where it cannot even be looked for, as a too long name."""
    if isinstance(path, Path):
        try:
            path.is_file()
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror or error}") from error
    return path


def _resolve_model(name: str) -> str:
    """Return the name of a model as it is, or the absolute path of the file that it names."""
    if not name.startswith(("/", ".", "~")) and not name.endswith(_MODEL_SUFFIXES):
        return name
    path = parsers.expand_user(Path(name)).absolute()
    _check_readable(path)
    if path.is_dir():
        raise ValueError("is a folder; name the ONNX file in it")
    if not path.is_file():
        raise ValueError("is no file that exists")
    return str(path)


def _url(schemes: tuple[str, ...], example: str) -> AfterValidator:
    return AfterValidator(partial(parsers.check_url, schemes=schemes, example=example))


def _check_no_credentials(url: str) -> str:
    """Return the URL of a Qdrant server. Raises ValueError, without it, for a user or password."""
    if "@" in urlsplit(url).netloc:
        raise ValueError(
            "names a user or a password, which Qdrant does not take: set its API key as "
            "CINEMILL_QDRANT_KEY"
        )
    return url


_MASKED = PlainSerializer(parsers.mask_url)

Folders = Annotated[
    tuple[Path, ...],
    BeforeValidator(_split_folders),
    AfterValidator(lambda paths: tuple(path.resolve() for path in paths)),
]
Folder = Annotated[Path, BeforeValidator(_absolute)]
ExistingFile = Annotated[FilePath, BeforeValidator(_check_readable), BeforeValidator(_absolute)]
ModelName = Annotated[str, Field(min_length=1), AfterValidator(_resolve_model)]
Program = Annotated[ExistingFile, AfterValidator(_check_executable)]
Certificates = Annotated[ExistingFile, AfterValidator(_check_certificates)]
Bytes = Annotated[
    ByteSize,
    BeforeValidator(parsers.spell_size),
    Field(ge=1),
    PlainSerializer(parsers.format_size),
]
DatabaseUrl = Annotated[
    str, _url(_DATABASE_SCHEMES, _DATABASE), AfterValidator(parsers.with_driver), _MASKED
]
RedisUrl = Annotated[str, _url(("redis", "rediss", "sentinel", "unix"), _REDIS), _MASKED]
BrokerUrl = Annotated[str, _url(_BROKER_SCHEMES, _REDIS), _MASKED]
ResultUrl = Annotated[str, _url(_RESULT_SCHEMES, _REDIS), _MASKED]
HttpUrl = Annotated[str, _url(("http", "https"), _HTTP), _MASKED]
QdrantUrl = Annotated[
    str, _url(("http", "https"), _QDRANT), AfterValidator(_check_no_credentials), _MASKED
]
PublicUrls = Annotated[
    str, BeforeValidator(parsers.join_list), AfterValidator(parsers.check_public_urls)
]
Proxies = Annotated[str, BeforeValidator(parsers.join_list), AfterValidator(parsers.check_proxies)]
Host = Annotated[str, AfterValidator(parsers.check_host)]
Autoscale = Annotated[
    str, AfterValidator(lambda written: "{},{}".format(*parsers.parse_autoscale(written)))
]
Devices = Annotated[str, AfterValidator(parsers.check_devices)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Dollars = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65535)]


def setting(
    name: str,
    default: object = None,
    *,
    derived_from: str = "",
    default_text: str = "",
    **rules: Any,
) -> Any:
    """Declare a setting with the public name ``name``; ``rules`` are arguments of ``Field``.

    ``derived_from`` is the field that an unset one follows, and ``default_text`` describes a
    default that depends on the machine or on another setting.
    """
    if "default_factory" not in rules:
        rules["default"] = default
    shown: JsonDict = {"derived_from": derived_from, "default_text": default_text}
    return Field(validation_alias=name, json_schema_extra=shown, **rules)
