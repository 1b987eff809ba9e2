"""How single settings are written, read and shown: sizes, addresses, URLs and their secrets."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from urllib.parse import quote, urlsplit

from cinemill.addresses import parse_sentinel

MASK = "********"
MOST_PROCESSES = 1024
"""Of one worker."""

DATABASE_SCHEMES = ("postgresql", "postgresql+psycopg")
REDIS_SCHEMES = ("redis", "rediss", "sentinel", "unix")
BROKER_SCHEMES = ("redis", "rediss", "sentinel", "redis+socket")
RESULT_SCHEMES = (*BROKER_SCHEMES, "rpc", "db+postgresql", "db+postgresql+psycopg")

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE | re.ASCII)
_DEVICE = re.compile(r"-1|\d+|(GPU|MIG)-[0-9A-Za-z/-]+|all|none|void", re.ASCII)
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*", re.ASCII)
_SEVERAL = re.compile(r";(?=[a-z+]+://)")
_SECRET_IN_QUERY = re.compile(r"(?<=[?&])((?:ssl)?password|sentinel_password)=[^&]*", re.IGNORECASE)


def parse_bytes(written: object) -> object:
    """``64GiB``, ``500 MB`` or plain digits as a whole number of bytes; numbers pass unchanged.

    ``k``, ``m``, ``g`` and ``t`` are powers of 1000, with an ``i`` powers of 1024.
    """
    if not isinstance(written, str):
        return written
    match = _SIZE.fullmatch(written.strip())
    if match is None or (match[3] and not match[2]):
        raise ValueError("must be a number of bytes, such as 64GiB, 500 MB or 1048576")
    unit = (1024 if match[3] else 1000) ** " kmgt".index(match[2].lower() or " ")
    return int(float(match[1]) * unit) if "." in match[1] else int(match[1]) * unit


def show_bytes(size: int) -> str:
    """The shortest exact binary form: ``64 GiB``, else the digits."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power} {unit}"
    return str(size)


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach ``host``."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_host(host: str) -> str:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if not _HOST_NAME.fullmatch(host):
            raise ValueError("must be an IP address or a host name, without port") from None
    return host


def check_devices(written: str) -> str:
    """``CUDA_VISIBLE_DEVICES``: empty (no GPU), indexes, or GPU and MIG UUIDs, comma-separated."""
    for device in filter(None, written.split(",")):
        if not _DEVICE.fullmatch(device.strip()):
            raise ValueError(
                "must be device indexes or UUIDs (GPU-… or MIG-…), separated by commas"
            )
    return written


def parse_autoscale(written: str) -> tuple[int, int]:
    """``4,1``, as Celery has it, as the most and the fewest processes."""
    most, comma, fewest = (part.strip() for part in written.partition(","))
    if not (comma and most.isdecimal() and fewest.isdecimal()):
        raise ValueError("must be the maximum and minimum number of processes, such as 4,1")
    if not 1 <= int(fewest) <= int(most) <= MOST_PROCESSES:
        raise ValueError(f"must be two numbers from 1 to {MOST_PROCESSES}, the larger one first")
    return int(most), int(fewest)


def check_autoscale(written: str) -> str:
    return ",".join(str(bound) for bound in parse_autoscale(written))


def check_url(url: str, schemes: tuple[str, ...], example: str) -> str:
    """``url`` unchanged; ValueError with a sentence (never the URL: it may hold a password)."""
    if "sentinel" in schemes and parse_sentinel(url) is not None:
        return url
    for part in _SEVERAL.split(url):
        try:
            address = urlsplit(part)
            port = address.port
        except ValueError:
            raise ValueError(f"is not a URL such as {example}") from None
        if address.scheme not in schemes:
            raise ValueError(f"must begin with {_alternatives(schemes)}, as in {example}")
        if not address.netloc.rpartition("@")[2] and address.path in ("", "/"):
            raise ValueError(f"names no server, as {example} does")
        if port == 0:
            raise ValueError("has the port 0")
    return url


def normalise_database_url(url: str) -> str:
    """The psycopg 3 driver where none is named: SQLAlchemy would look for psycopg 2."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if separator and scheme == "postgresql" else url


def compose_redis_url(host: str, port: int, database: int, password: str | None) -> str:
    secret = f":{quote(password, safe='')}@" if password else ""
    name = f"[{host}]" if ":" in host else host
    return f"redis://{secret}{name}:{port}/{database}"


def broker_url_for(redis_url: str) -> str:
    """The same server as kombu spells it: ``redis+socket`` where redis-py has ``unix``."""
    if not redis_url.startswith("unix://"):
        return redis_url
    return re.sub(r"(?<=[?&])db=", "virtual_host=", "redis+socket" + redis_url[len("unix") :])


def mask_url(url: str) -> str:
    """``url`` with every password covered; of a malformed one rather too much than too little."""
    return ";".join(_mask_one(part) for part in _SEVERAL.split(url))


def _mask_one(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        return MASK
    # To the *last* @: an unescaped one inside a password must not uncover its tail.
    credentials, at, place = rest.rpartition("@")
    user, colon, _ = credentials.partition(":")
    shown = f"{user}:{MASK}" if colon else credentials
    return _SECRET_IN_QUERY.sub(rf"\1={MASK}", f"{scheme}://{shown}{at}{place}")


def _alternatives(schemes: tuple[str, ...]) -> str:
    names = [f"{scheme}://" for scheme in schemes]
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def expand_user(path: Path) -> Path:
    """``~`` and ``~name`` as the user's home; as it is where nobody is called that."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path
