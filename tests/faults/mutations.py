"""Mutations that damage and forge videos: each takes a random generator and returns bytes."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.audio_files import make_sound
from tests.films import hold_last_frame, make_film, make_gap, make_scans, remux, run, state_colors
from tests.sounds import make_changing, make_cover_and_commentary, make_discrete

SECRET_TEXT = b"the-secret-that-no-output-may-hold-7f3a91"
SECRET_COLOR = (255, 0, 255)
"""The planted video shows only this color, and no other video here shows it."""


@dataclass(frozen=True, slots=True)
class Base:
    """A valid video that mutations start from."""

    path: Path
    frames: int
    """0 for sound alone."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Forgery:
    """A hostile or damaged file, and its permitted outcomes."""

    content: bytes
    base: Base | None
    """None for files that are no video at all, which may never be done."""
    keeps_clock: bool = True
    """Whether a video that is done must last as long as its base."""


Mutation = Callable[[random.Random, Base, Path], Forgery]


def make_bases(folder: Path) -> list[Base]:
    """Create one small video for each container, all except one with audio, sounds and animations.

    Those of which nothing says how long they are come from no base: what is missing of them, nobody
    can know.
    """
    seconds, rate = 1.6, 25
    size = (160, 120)
    mpeg4, mpeg2 = ["-c:v", "mpeg4"], ["-c:v", "mpeg2video"]
    slow_sound = ["-ar", "44100"]
    films = [
        make_film(
            folder / "fast.mp4", seconds=seconds, size=size, extra=["-movflags", "faststart"]
        ),
        make_film(folder / "late.mov", seconds=seconds, size=size),
        make_film(folder / "fragments.mp4", seconds=seconds, size=size, extra=_FRAGMENTS),
        make_film(folder / "film.mkv", seconds=seconds, size=size),
        make_film(folder / "film.avi", seconds=seconds, size=size, codec=mpeg4),
        make_film(folder / "film.flv", seconds=seconds, size=size, extra=slow_sound),
        make_film(folder / "film.wmv", seconds=seconds, size=size, codec=["-c:v", "wmv2"]),
        make_film(folder / "film.mpg", seconds=seconds, size=size, codec=mpeg2),
        make_film(folder / "silent.mp4", seconds=seconds, size=size, has_sound=False),
    ]
    films.append(remux(films[0], folder / "film.ts"))
    return [
        *(Base(film, round(seconds * rate), seconds) for film in films),
        *_make_odd_bases(folder, size),
        *_make_sound_bases(folder, seconds),
        Base(make_changing(folder / "changing.ts"), 75, 3),
        Base(make_discrete(folder / "discrete.mkv", 10, {9: 1000}), 25, 1),
        Base(make_cover_and_commentary(folder / "crowded.mkv"), 25, 1),
    ]


def _make_sound_bases(folder: Path, seconds: float) -> list[Base]:
    """Create audio files, and animated pictures."""
    sounds = [
        make_sound(folder / f"sound.{suffix}", seconds=seconds)
        for suffix in ("mp3", "flac", "m4a", "wav")
    ]
    moving = ["-f", "lavfi", "-i", f"testsrc2=size=64x48:rate=10:duration={seconds}"]
    animations = [folder / "moving.gif", folder / "moving.png"]
    run([*moving, str(animations[0])])
    run([*moving, "-f", "apng", str(animations[1])])
    return [
        *(Base(sound, 0, seconds) for sound in sounds),
        *(Base(picture, round(seconds * 10), seconds) for picture in animations),
    ]


def _make_odd_bases(folder: Path, size: tuple[int, int]) -> list[Base]:
    """Create films whose end, fields or shape are easily mistaken."""
    gap = make_gap(folder / "gap.mp4")
    single = ["-frames:v", "1"]
    return [
        Base(gap, 31, 2.5 + 1 / 30),
        Base(hold_last_frame(gap, folder / "held.mp4", last_seconds=2.5, seconds=2.0), 31, 4.5),
        Base(hold_last_frame(gap, folder / "held.mkv", last_seconds=2.5, seconds=2.0), 31, 4.5),
        Base(make_film(folder / "single.mp4", size=size, has_sound=False, extra=single), 1, 1 / 25),
        Base(make_scans(folder / "fields.mkv", "progressive", "tff"), 50, 2.0),
        Base(make_film(folder / "wide.mov", size=size, filters="setsar=4/3"), 25, 1.0),
    ]


_INDEX_FIRST = ["-movflags", "faststart"]
_FRAGMENTS = ["-movflags", "frag_keyframe+empty_moov", "-g", "10"]


def truncate(rng: random.Random, base: Base, secret: Path) -> Forgery:
    content = base.path.read_bytes()
    return Forgery(content[: int(len(content) * rng.uniform(0.02, 0.9))], base)


def flip_bits(rng: random.Random, base: Base, secret: Path) -> Forgery:
    content = bytearray(base.path.read_bytes())
    for _ in range(rng.choice([1, 3, 20, 200])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return Forgery(bytes(content), base, keeps_clock=False)


def overwrite(rng: random.Random, base: Base, secret: Path) -> Forgery:
    content = bytearray(base.path.read_bytes())
    at, length = rng.randrange(len(content)), rng.choice([16, 256, 4096])
    content[at : at + length] = rng.randbytes(min(length, len(content) - at))
    return Forgery(bytes(content), base, keeps_clock=False)


def drop_middle(rng: random.Random, base: Base, secret: Path) -> Forgery:
    content = base.path.read_bytes()
    start = rng.randrange(len(content) // 10, len(content) // 2)
    return Forgery(content[:start] + content[start + rng.randrange(1000, 20_000) :], base)


def edit_header(rng: random.Random, base: Base, secret: Path) -> Forgery:
    content = bytearray(base.path.read_bytes())
    for _ in range(rng.randrange(1, 12)):
        content[rng.randrange(4, min(1500, len(content)))] = rng.randrange(256)
    return Forgery(bytes(content), base, keeps_clock=False)


def lie_in_boxes(rng: random.Random, base: Base, secret: Path) -> Forgery:
    """Set sizes, counts and clocks of boxes to absurd numbers."""
    content = bytearray(base.path.read_bytes())
    boxes = [b"mvhd", b"tkhd", b"mdhd", b"stsz", b"stts", b"stco", b"stsc", b"avc1", b"trun"]
    places = [content.find(box) for box in boxes]
    found = [place for place in places if place > 0] or [16]
    at = rng.choice(found) + rng.choice([-4, 4, 8, 12, 16, 20])
    struct.pack_into(">I", content, at, rng.choice([0, 1, 2**31 - 1, 2**32 - 1, 2**16]))
    return Forgery(bytes(content), base, keeps_clock=False)


def swap_atoms(rng: random.Random, base: Base, secret: Path) -> Forgery:
    content = base.path.read_bytes()
    boxes = list(_boxes(content))
    if len(boxes) < 3:
        size = len(content) // 8
        boxes = [content[at : at + size] for at in range(0, len(content), size)]
    rng.shuffle(boxes)
    return Forgery(b"".join(boxes), base, keeps_clock=False)


def _boxes(content: bytes) -> Iterator[bytes]:
    at = 0
    while at + 8 <= len(content):
        size = int.from_bytes(content[at : at + 4])
        if size < 8 or at + size > len(content):
            return
        yield content[at : at + size]
        at += size


def disguise_playlist(rng: random.Random, base: Base, secret: Path) -> Forgery:
    """Create a file that names other files, in one of the formats that FFmpeg reads."""
    target = rng.choice([str(secret), f"file://{secret}", "/etc/passwd", "http://127.0.0.1:9/x"])
    lists = [
        f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n",
        f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10,\nconcat:{target}|{target}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{target}'\n",
        f"file '{target}'\n",
        f"\ufeff\n\n#EXTM3U\n#EXTINF:1,\n{target}\n",
        f'<?xml version="1.0"?><MPD><Period><BaseURL>{target}</BaseURL></Period></MPD>',
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\na={target}\n",
        f"[playlist]\nFile1={target}\nNumberOfEntries=1\n",
    ]
    return Forgery(rng.choice(lists).encode(), None)


def prefix_playlist(rng: random.Random, base: Base, secret: Path) -> Forgery:
    """Create a valid beginning of a video, followed by a playlist."""
    listed = f"#EXTM3U\n#EXTINF:2,\nfile://{secret}\n#EXT-X-ENDLIST\n".encode()
    magic = rng.choice(
        [b"\x1a\x45\xdf\xa3", b"\0\0\0\x18ftypisom", b"OggS\0", b"FLV\x01", b"G" * 8]
    )
    return Forgery(magic + listed * rng.randrange(1, 50), None)


def refer_elsewhere(rng: random.Random, base: Base, secret: Path) -> Forgery:
    """Create a QuickTime reference movie: no samples, only a path to another file."""
    url = rng.choice([f"file://{secret}", str(secret)]).encode() + b"\0"
    pointer = _box(b"rdrf", b"\0\0\0\0url " + struct.pack(">I", len(url)) + url)
    movie = _box(b"moov", _box(b"rmra", _box(b"rmda", pointer)))
    return Forgery(_box(b"ftyp", b"qt  \0\0\0\0qt  ") + movie, None)


def repoint_data(rng: random.Random, base: Base, secret: Path) -> Forgery:
    """Create a video whose samples are said to be in another file."""
    content = base.path.read_bytes()
    at = content.find(b"dref")
    if at < 0:
        return refer_elsewhere(rng, base, secret)
    inside = _box(b"url ", b"\0\0\0\0" + f"file://{secret}".encode() + b"\0")
    old = content[at + 12 : at + 24]
    forged = content.replace(old, old[:8] + b"\0\0\0\0", 1)
    return Forgery(forged + _box(b"free", inside), base, keeps_clock=False)


def fill_with_noise(rng: random.Random, base: Base, secret: Path) -> Forgery:
    head = base.path.read_bytes()[: rng.choice([16, 64, 512, 2048])]
    return Forgery(head + rng.randbytes(rng.randrange(100, 60_000)), None)


def send_something_else(rng: random.Random, base: Base, secret: Path) -> Forgery:
    things = [
        b"",
        b"\0" * rng.randrange(1, 5000),
        b"#!/bin/sh\ncat /etc/passwd\n",
        b"Dear sir,\n" * 50,
        rng.randbytes(rng.randrange(1, 5000)),
        b"%PDF-1.7\n" + rng.randbytes(500),
        b"PK\x03\x04" + rng.randbytes(500),
        SECRET_TEXT,
    ]
    return Forgery(rng.choice(things), None)


def bomb(rng: random.Random, base: Base, secret: Path) -> Forgery:
    """Create an image of 20,000 x 20,000 in a few hundred kilobytes, bare or inside a video."""
    side = 20_000
    rows = zlib.compress(b"\0" * (side // 8 + 1) * side, 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
    picture = b"\x89PNG\r\n\x1a\n" + chunks
    if rng.random() < 0.5:
        return Forgery(picture, None)
    content = base.path.read_bytes()
    half = len(content) // 2
    return Forgery(content[:half] + picture + content[half:], None)


def nest(rng: random.Random, base: Base, secret: Path) -> Forgery:
    """Create containers in containers, thousands deep, bare or after a valid video."""
    depth = rng.choice([20, 300, 2_000, 19_000])
    wrap = rng.choice([nest_boxes, nest_elements, nest_chunks, nest_pages])
    if wrap is nest_boxes and rng.random() < 0.5:
        nested = nest_boxes(rng, depth)
        return Forgery(base.path.read_bytes() + nested, base, keeps_clock=False)
    return Forgery(wrap(rng, depth), None)


def nest_boxes(rng: random.Random, depth: int) -> bytes:
    """MP4: boxes that all end where the file ends; half of them with sizes of 64 bits."""
    kinds = [b"moov", b"trak", b"mdia", b"edts", b"minf", b"stbl", b"udta", b"meta", b"moof"]
    chosen = rng.choice([[b"moov"], [b"trak"], kinds])
    is_long = rng.random() < 0.5
    head = 16 if is_long else 8
    boxes = []
    for level in range(depth):
        size, kind = head * (depth - level), rng.choice(chosen)
        boxes.append(
            struct.pack(">I4sQ", 1, kind, size) if is_long else struct.pack(">I4s", size, kind)
        )
    return _box(b"ftyp", b"isom\0\0\2\0isom") + b"".join(boxes)


def nest_elements(rng: random.Random, depth: int) -> bytes:
    """Matroska: master elements in each other, of known sizes or of unknown ones."""
    kinds = [bytes.fromhex(one) for one in ("18538067", "1f43b675", "1254c367", "67c8", "b6", "a0")]
    chosen = rng.choice([kinds, kinds[:1], kinds[3:4], kinds[4:5]])
    is_known, content = rng.random() < 0.7, b""
    names = [rng.choice(chosen) for _ in range(depth)]
    remaining = sum(len(name) + 8 for name in names)
    for name in names:
        remaining -= len(name) + 8
        content += name + (1 << 56 | (remaining if is_known else 2**56 - 1)).to_bytes(8)
    header = bytes.fromhex("1a45dfa3 8b 4282 88") + b"matroska"
    return header + bytes.fromhex("18538067 01ffffffffffffff") + content


def nest_chunks(rng: random.Random, depth: int) -> bytes:
    """AVI: lists in lists."""
    kinds = [b"hdrl", b"strl", b"movi", b"odml", b"INFO", b"rec "]
    chosen = rng.choice([kinds, [b"hdrl"], [b"movi"]])
    lists = [
        struct.pack("<4sI4s", b"LIST", 12 * (depth - level) - 8, rng.choice(chosen))
        for level in range(depth)
    ]
    return struct.pack("<4sI4s", b"RIFF", 12 * depth + 4, b"AVI ") + b"".join(lists)


def nest_pages(rng: random.Random, depth: int) -> bytes:
    """Ogg has no containers in containers: streams that begin within streams, none of which ends.

    Packets go on from each page to the next.
    """
    pages = []
    codecs = [b"\x80theora", b"\x01vorbis", b"OpusHead", b"fishead\0", b"\x7fFLAC"]
    for number in range(depth):
        lacing = bytes([255] * rng.choice([1, 200]))
        body = rng.choice(codecs).ljust(255 * len(lacing), b"\xff")
        flags = rng.choice([1, 2, 3])
        serial = number if rng.random() < 0.9 else 0
        head = struct.pack("<4sBBqIII", b"OggS", 0, flags, -1, serial, number, 0)
        pages.append(head + bytes([len(lacing)]) + lacing + body)
        if number * len(pages[-1]) > 4_000_000:
            break
    return b"".join(pages)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def forge_colors(rng: random.Random, base: Base, secret: Path) -> Forgery:
    """State colors by numbers that are reserved, contradict each other, or that nobody converts."""
    if not base.frames:
        return flip_bits(rng, base, secret)  # sound has no colors
    path = base.path.with_name(f"colors-{rng.getrandbits(48)}.mp4")
    primaries, transfer = rng.choice([0, 2, 5, 9, 12, 22, 255]), rng.choice([0, 1, 8, 10, 17, 255])
    matrix, is_full = rng.choice([0, 3, 4, 7, 8, 10, 11, 13, 14, 255]), rng.randrange(2)
    state_colors(
        base.path,
        path,
        codes=(primaries, transfer, matrix, is_full),
        pixels=rng.choice(["yuv420p", "yuv422p10le", "yuv444p"]),
        container=rng.choice(["bt709", "smpte170m", "bt2020nc"]),
    )
    content = path.read_bytes()
    path.unlink()
    return Forgery(content, base)


MUTATIONS: tuple[Mutation, ...] = (
    truncate,
    flip_bits,
    overwrite,
    drop_middle,
    edit_header,
    lie_in_boxes,
    swap_atoms,
    disguise_playlist,
    prefix_playlist,
    refer_elsewhere,
    repoint_data,
    fill_with_noise,
    send_something_else,
    bomb,
    nest,
    forge_colors,
)
