"""Encoders' notes and decoder configurations inside the packets of a stream.

H.264: ITU-T H.264, 7.3 and D.1.6 (user data unregistered). H.265: ITU-T H.265, 7.3 and D.2.7.
MPEG-4 part 2: ISO/IEC 14496-2, 6.2.2 (user data). Reads the first bytes of a packet only, where
these units stand, and copies nothing but short printable text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

HEAD_BYTES = 8192
MOST_UNITS = 32
LONGEST_NOTE = 1500
_UUID_BYTES = 16
_USER_DATA_UNREGISTERED = 5
_START_CODE = b"\x00\x00\x01"
_MPEG4_USER_DATA = b"\x00\x00\x01\xb2"
_PRINTABLE = re.compile(rb"[\x20-\x7e]{4,}")
# Types of NAL units: supplemental information, parameter sets.
_H264_SEI, _H264_PARAMETERS = {6}, {7}
_H265_SEI, _H265_PARAMETERS = {39, 40}, {33}


@dataclass(frozen=True, slots=True)
class EncoderNote:
    """Text that an encoder wrote into the stream, for instance its name and settings."""

    packet: int
    text: str


@dataclass(slots=True)
class BitstreamReader:
    """Collects notes and configurations of a stream, packet by packet."""

    codec: str
    length_bytes: int = 0
    """Size of the length in front of each unit; 0 where units follow start codes."""
    notes: list[EncoderNote] = field(default_factory=list)
    configurations: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def for_stream(cls, stream: Any) -> BitstreamReader:
        """Return a reader for this stream, which has read its header already."""
        codec = stream.codec_context.codec.canonical_name
        header = bytes(stream.codec_context.extradata or b"")[:HEAD_BYTES]
        reader = cls(codec, _find_length_bytes(codec, header))
        reader._read_header(header)
        return reader

    def read(self, position: int, packet: Any) -> None:
        """Read the packet at this position in the stream."""
        if self.codec in {"h264", "hevc"}:
            head = bytes(memoryview(packet)[:HEAD_BYTES])
            self._read_units(position, _split(head, self.length_bytes))
        elif self.codec in {"mpeg4", "msmpeg4v3", "mpeg2video", "mpeg1video"}:
            self._read_user_data(position, bytes(memoryview(packet)[:HEAD_BYTES]))

    def _read_header(self, header: bytes) -> None:
        if self.codec in {"h264", "hevc"} and header.startswith(
            (b"\x00\x00\x01", b"\x00\x00\x00\x01")
        ):
            self._read_units(0, _split(header, 0))
        elif self.codec == "hevc":
            self._read_units(0, _split_hvcc(header))
        elif self.codec == "mpeg4":
            self._read_user_data(0, header)

    def _read_units(self, position: int, units: Iterator[bytes]) -> None:
        is_h264 = self.codec == "h264"
        for unit in units:
            if not unit:
                continue
            kind = unit[0] & 0x1F if is_h264 else unit[0] >> 1 & 0x3F
            if kind in (_H264_SEI if is_h264 else _H265_SEI):
                self._add_notes(position, _read_sei(unit[1 if is_h264 else 2 :]))
            elif kind in (_H264_PARAMETERS if is_h264 else _H265_PARAMETERS):
                digest = hashlib.sha256(unit.rstrip(b"\x00")).hexdigest()[:12]
                self.configurations.append((position, digest))

    def _read_user_data(self, position: int, data: bytes) -> None:
        at = data.find(_MPEG4_USER_DATA)
        if at >= 0:
            end = data.find(_START_CODE, at + 4)
            self._add_notes(position, iter([data[at + 4 : end if end > 0 else None]]))

    def _add_notes(self, position: int, payloads: Iterator[bytes]) -> None:
        for payload in payloads:
            found = _PRINTABLE.match(payload)
            if found is not None:
                self.notes.append(EncoderNote(position, found[0][:LONGEST_NOTE].decode("ascii")))


def _find_length_bytes(codec: str, header: bytes) -> int:
    """Return the size of the units' lengths (ISO/IEC 14496-15, 5.3.3 and 8.3.3)."""
    if codec == "h264" and len(header) > 4 and header[0] == 1:
        return (header[4] & 3) + 1
    if codec == "hevc" and len(header) > 22 and header[0] == 1:
        return (header[21] & 3) + 1
    return 0


def _split(data: bytes, length_bytes: int) -> Iterator[bytes]:
    return _split_by_length(data, length_bytes) if length_bytes else _split_by_code(data)


def _split_by_length(data: bytes, length_bytes: int) -> Iterator[bytes]:
    at = 0
    for _ in range(MOST_UNITS):
        if at + length_bytes >= len(data):
            return
        size = int.from_bytes(data[at : at + length_bytes])
        at += length_bytes
        yield data[at : at + size]
        at += size


def _split_by_code(data: bytes) -> Iterator[bytes]:
    at = data.find(_START_CODE)
    for _ in range(MOST_UNITS):
        if at < 0:
            return
        end = data.find(_START_CODE, at + 3)
        yield data[at + 3 : end if end >= 0 else None]
        at = end


def _split_hvcc(header: bytes) -> Iterator[bytes]:
    """Yield the units of an ``hvcC`` record (ISO/IEC 14496-15, 8.3.3)."""
    if len(header) < 23 or header[0] != 1:
        return
    at, left = 23, MOST_UNITS
    for _ in range(header[22]):
        count = int.from_bytes(header[at + 1 : at + 3])
        at += 3
        for _ in range(min(count, left)):
            left -= 1
            size = int.from_bytes(header[at : at + 2])
            yield header[at + 2 : at + 2 + size]
            at += 2 + size
        if at >= len(header) or not left:
            return


def _read_sei(data: bytes) -> Iterator[bytes]:
    """Yield the user data of a supplemental information unit, without its identifier."""
    # Bytes that keep start codes out of the data: 00 00 03 stands for 00 00.
    data = data.replace(b"\x00\x00\x03", b"\x00\x00")
    at = 0
    for _ in range(MOST_UNITS):
        kind, at = _read_number(data, at)
        size, at = _read_number(data, at)
        if at >= len(data):
            return
        if kind == _USER_DATA_UNREGISTERED:
            yield data[at + _UUID_BYTES : at + size]
        at += size


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    while at < len(data) and data[at] == 0xFF:
        number, at = number + 0xFF, at + 1
    return (number + data[at], at + 1) if at < len(data) else (number, at)
