"""How single settings are written: sizes, hosts, devices, and URLs with their secrets."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

from pydantic import ByteSize, SecretStr, ValidationError
from pydantic_core import Url

from cinemill.addresses import parse_public_urls, parse_sentinel

MASK = str(SecretStr("secret"))
UNIX_SOCKET = "unix"
"""In place of an address: a proxy that was reached through a Unix socket."""
MAX_PROCESSES = 1024
"""The maximum number of processes of one worker."""
MAX_TTL_SECONDS = 10 * 365 * 24 * 3600
"""Ten years: a time to live that Redis and PostgreSQL can add to any date."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?", re.IGNORECASE | re.ASCII)
_DEVICE = re.compile(r"-1|\d+|(GPU|MIG)-[0-9A-Za-z/-]+|all|none|void", re.ASCII)
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*", re.ASCII)
# Only before a scheme that a setting takes: any other may be a part of a password.
_URL_SEPARATOR = re.compile(
    r";(?=(?:redis(?:s|\+socket)?|sentinel|unix|rpc|(?:db\+)?postgresql(?:\+psycopg)?)://)"
)
_MISSING_HOST = re.compile(r"(?<=@)(?=/[^?#])|(?:(?<=@)|(?<=://))(?=:\d+(?:[/?#]|$))")
_SECRET_IN_QUERY = re.compile(r"(?<=[?&])((?:ssl)?password|sentinel_password)=[^&]*", re.IGNORECASE)


def spell_size(written: object) -> object:
    """Return a size as ``ByteSize`` reads it; numbers are returned unchanged.

    ``ByteSize`` alone ignores text after the unit, accepts bits, and rejects ``64Gi``.
    """
    if not isinstance(written, str):
        return written
    match = _SIZE.fullmatch(written.strip())
    if match is None:
        raise ValueError("must be a number of bytes, such as 64GiB, 500 MB or 1048576")
    return f"{match[1]}{match[2]}B" if match[2] else match[1]


def format_size(size: int) -> str:
    """Return the shortest exact form, such as ``64 GiB``; ``human_readable`` would round."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        count, rest = divmod(size, int(ByteSize.byte_sizes[unit.lower()]))
        if count and not rest:
            return f"{count} {unit}"
    return str(size)


def is_loopback(host: str) -> bool:
    """Return whether only programs on this machine can reach ``host``."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_host(host: str) -> str:
    """Return ``host`` unchanged. Raises ValueError unless it is an IP address or a host name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if not _HOST_NAME.fullmatch(host):
            raise ValueError("must be an IP address or a host name, without port") from None
    return host


def join_list(value: object) -> object:
    """Return a list, as a settings file may hold one, as the text with commas that means the same.

    What is no list of texts is returned unchanged.
    """
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ",".join(value)
    return value


def check_public_urls(written: str) -> str:
    """Return URLs as browsers write them, with commas. Raises ValueError for one that is none."""
    return ",".join(map(str, parse_public_urls(written)))


def check_proxies(written: str) -> str:
    """Return addresses and networks of proxies, with commas. Raises ValueError for other words."""
    found = []
    for word in written.replace(",", " ").split():
        try:
            found.append(word if word == UNIX_SOCKET else str(ipaddress.ip_network(word)))
        except ValueError as error:
            reason = "has bits set beyond its prefix" if "host bits" in str(error) else "is none"
            raise ValueError(
                "must be IP addresses, networks such as 10.0.0.0/8, or 'unix', with commas between"
                f" them; {word[:100]!r} {reason}"
            ) from None
    return ",".join(dict.fromkeys(found))


def check_devices(written: str) -> str:
    """Return ``CUDA_VISIBLE_DEVICES`` unchanged: indexes, GPU and MIG UUIDs, or empty for none."""
    for device in filter(None, written.split(",")):
        if not _DEVICE.fullmatch(device.strip()):
            raise ValueError(
                "must be device indexes or UUIDs (GPU-… or MIG-…), separated by commas"
            )
    return written


def parse_autoscale(written: str) -> tuple[int, int]:
    """Return the maximum and the minimum number of processes of ``4,1``, which is Celery's form."""
    most, comma, fewest = (part.strip() for part in written.partition(","))
    if not (comma and most.isdecimal() and fewest.isdecimal()):
        raise ValueError("must be the maximum and minimum number of processes, such as 4,1")
    if not 1 <= int(fewest) <= int(most) <= MAX_PROCESSES:
        raise ValueError(f"must be two numbers from 1 to {MAX_PROCESSES}, the larger one first")
    return int(most), int(fewest)


def check_url(url: str, schemes: tuple[str, ...], example: str) -> str:
    """Return ``url`` unchanged. Raises ValueError without the URL, which may hold a password.

    Pydantic's parser checks it, but ``PostgresDsn`` and ``RedisDsn`` are not the settings' types:
    they know no sockets, Sentinels or lists of servers, and they rewrite the text, which
    SQLAlchemy, redis-py and kombu each parse by rules of their own.
    """
    if "sentinel" in schemes and parse_sentinel(url) is not None:
        return url
    for part in _URL_SEPARATOR.split(url):
        try:
            # A URL may have no host but credentials or a port, which the parser does not accept.
            address = Url(_MISSING_HOST.sub("localhost", part, count=1))
        except ValidationError:
            raise ValueError(f"is not a URL such as {example}") from None
        if address.scheme not in schemes:
            starts = " or ".join(f"{scheme}://" for scheme in schemes)
            raise ValueError(f"must begin with {starts}, as in {example}")
        if not address.host and address.path in (None, "", "/"):
            raise ValueError(f"names no server, as {example} does")
        if address.port == 0:
            raise ValueError("has the port 0")
    return url


def with_driver(url: str) -> str:
    """Return a database URL that names psycopg 3; without a driver SQLAlchemy takes psycopg 2."""
    return re.sub(r"^postgresql://", "postgresql+psycopg://", url)


def mask_url(url: str) -> str:
    """Return ``url`` with every password masked; of a malformed one too much, not too little.

    ``SecretStr`` would hide the server as well, and a DSN type masks nothing.
    """
    return ";".join(_mask_one(part) for part in _URL_SEPARATOR.split(url))


def _mask_one(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        return MASK
    # Up to the *last* @: an unescaped one inside a password must not expose the rest of it.
    credentials, at, place = rest.rpartition("@")
    user, colon, _ = credentials.partition(":")
    shown = f"{user}:{MASK}" if colon else credentials
    return _SECRET_IN_QUERY.sub(rf"\1={MASK}", f"{scheme}://{shown}{at}{place}")


def expand_user(path: Path) -> Path:
    """Return ``path`` with ``~`` or ``~name`` expanded, or unchanged if there is no such user."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path
