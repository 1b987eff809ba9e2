"""The bytes of a cache entry: a header, named arrays, and a checksum over all of it.

An entry is trusted only if every byte is as it was written and if it was written under this very
key: a damaged, truncated or foreign entry, or one that was copied to another key, cannot be read.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MAGIC = b"CMce"
VERSION = 1
"""Of the format. An entry of another version cannot be read."""
LARGEST_HEAD_BYTES = 16 * 1024
MOST_SECTIONS = 256
_PREFIX = struct.Struct("<4sHHIQ32s")
"""Magic, version, zero, bytes of the head and of the body, SHA-256 of all that is not in it."""
_DIGESTED = struct.Struct("<HIQ")

ITEM_BYTES = {"bytes": 1, "float16": 2, "float32": 4, "int64": 8}
"""The types of sections and the size of one number."""


class EntryDamaged(ValueError):
    """These bytes are no entry of this key."""


@dataclass(frozen=True, slots=True)
class Section:
    """An array of an entry, as little-endian numbers in C order."""

    kind: str
    shape: tuple[int, ...]
    data: bytes | memoryview

    @property
    def expected_bytes(self) -> int:
        return math.prod(self.shape) * ITEM_BYTES[self.kind]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is cached under a key."""

    key: str
    models: tuple[str, ...] = ()
    """Names of the models that it depends on."""
    sections: Mapping[str, Section] = field(default_factory=dict)


def encode_entry(entry: Entry) -> bytes:
    """Return the bytes of an entry.

    Raises ValueError where a section's data do not match its shape, or the head is too large.
    """
    for name, section in entry.sections.items():
        if len(section.data) != section.expected_bytes:
            raise ValueError(f"section {name} has {len(section.data)} bytes for {section.shape}")
    head = _write_head(entry)
    if len(head) > LARGEST_HEAD_BYTES or len(entry.sections) > MOST_SECTIONS:
        raise ValueError("an entry has too many sections or names too many models")
    parts = [section.data for section in entry.sections.values()]
    digest = _digest(head, parts)
    prefix = _PREFIX.pack(MAGIC, VERSION, 0, len(head), sum(map(len, parts)), digest)
    return b"".join((prefix, head, *parts))


def decode_entry(key: str, data: bytes) -> Entry:
    """Return the entry that was stored under ``key``; its sections are views of ``data``.

    Raises EntryDamaged.
    """
    head_bytes, body_bytes, digest = _read_prefix(data)
    start = _PREFIX.size + head_bytes
    if len(data) != start + body_bytes:
        raise EntryDamaged("its length is wrong")
    head, body = data[_PREFIX.size : start], memoryview(data)[start:]
    if _digest(head, [body]) != digest:
        raise EntryDamaged("its checksum is wrong")
    entry = _read_head(head, body)
    if entry.key != key:
        raise EntryDamaged("it was stored under another key")
    return entry


def _digest(head: bytes, parts: Sequence[bytes | memoryview]) -> bytes:
    # The hash of a whole film's features takes a quarter of a millisecond; a CRC would be no faster
    # on processors without an instruction for it, and misses one damage in four billion.
    hashed = hashlib.sha256(_DIGESTED.pack(VERSION, len(head), sum(map(len, parts))))
    hashed.update(head)
    for part in parts:
        hashed.update(part)
    return hashed.digest()


def _read_prefix(data: bytes) -> tuple[int, int, bytes]:
    if len(data) < _PREFIX.size:
        raise EntryDamaged("it is too short")
    magic, version, zero, head_bytes, body_bytes, digest = _PREFIX.unpack_from(data)
    if (magic, version, zero) != (MAGIC, VERSION, 0):
        raise EntryDamaged("it has another format")
    if head_bytes > LARGEST_HEAD_BYTES:
        raise EntryDamaged("its head is too large")
    return head_bytes, body_bytes, digest


def _write_head(entry: Entry) -> bytes:
    sections = [[name, one.kind, list(one.shape)] for name, one in entry.sections.items()]
    document = {"key": entry.key, "models": list(entry.models), "sections": sections}
    head = json.dumps(document, separators=(",", ":")).encode("ascii")
    # Numbers that begin at a multiple of their size are read faster.
    return head + b" " * (-(_PREFIX.size + len(head)) % 8)


def _read_head(head: bytes, body: memoryview) -> Entry:
    document = _parse_head(head)
    sections: dict[str, Section] = {}
    place = 0
    listed = document.get("sections")
    if not isinstance(listed, list) or len(listed) > MOST_SECTIONS:
        raise EntryDamaged("its head has no sections")
    for name, kind, shape in map(_parse_section, listed):
        size = math.prod(shape) * ITEM_BYTES[kind]
        sections[name] = Section(kind, shape, body[place : place + size])
        place += size
    if place != len(body):
        raise EntryDamaged("its sections have another length")
    return Entry(str(document.get("key")), _parse_models(document), sections)


def _parse_head(head: bytes) -> dict[str, object]:
    try:
        document = json.loads(head)
    except (ValueError, RecursionError) as error:
        raise EntryDamaged("its head is no JSON") from error
    if not isinstance(document, dict):
        raise EntryDamaged("its head is no object")
    return document


def _parse_models(document: dict[str, object]) -> tuple[str, ...]:
    match document.get("models"):
        case list(names) if all(isinstance(name, str) for name in names):
            return tuple(names)
    raise EntryDamaged("its head has no models")


def _parse_section(listed: object) -> tuple[str, str, tuple[int, ...]]:
    match listed:
        case [str(name), str(kind), list(shape)] if kind in ITEM_BYTES and _is_shape(shape):
            return name, kind, tuple(shape)
    raise EntryDamaged("its head lists a section that cannot be read")


def _is_shape(shape: list[object]) -> bool:
    return len(shape) <= 4 and all(type(one) is int and 0 <= one < 2**32 for one in shape)
