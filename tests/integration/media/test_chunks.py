"""Videos encoded in chunks and joined, compared with the same videos encoded in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import av
import pytest
from tests import films, sounds

from cinemill.capabilities.transcode.chunks import Chunk, ChunkDurations, cut_chunks
from cinemill.capabilities.transcode.concat_chunks import FinishedChunk, concat_chunks
from cinemill.capabilities.transcode.encode_chunk import (
    ChunkOutcome,
    can_cut,
    encode_chunk,
    encode_tracks,
    index_frames,
    read_index,
)
from cinemill.core.encoding.rendition import RenditionRequest, read_rendition
from cinemill.core.media import MediaInfo
from cinemill.core.tracks.joined import join_tracks
from cinemill.errors import OutputInvalid
from cinemill.media.encoding.encode import encode, find_encoder
from cinemill.media.encoding.encode_plan import plan_encode
from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.probe import probe

GROUP = ("-g", "20", "-preset", "fast")
"""Key frames close together, and frames that are stored in another order than shown."""


OWN_NAMES = frozenset({"encoder", "duration"})
"""Names that a muxer writes about itself."""


@dataclass(frozen=True)
class ChunkComparison:
    """One video, and both ways of encoding it."""

    ffmpeg_binary: FfmpegBinary
    sandbox: Sandbox
    folder: Path
    source: Path
    request: RenditionRequest
    info: MediaInfo

    def session(self, name: str) -> FfmpegSession:
        folder = self.folder / name
        folder.mkdir(mode=0o700)
        return FfmpegSession(
            self.ffmpeg_binary, folder, Limits(), self.sandbox, lambda share: None, lambda: None
        )

    @property
    def plan(self) -> Any:
        return plan_encode(
            str(self.source),
            self.info,
            self.request,
            encoder=find_encoder(self.ffmpeg_binary, self.request.codec),
            can_tonemap=self.ffmpeg_binary.can_tonemap,
            max_pixels=Limits().max_pixels,
        )

    def encode_chunks(self, seconds: float = 1.0) -> list[tuple[Chunk, ChunkOutcome]]:
        index = index_frames(self.session("index"), self.source, self.info)
        assert index is not None
        chunks = cut_chunks(
            index.marks,
            index.time_base,
            ChunkDurations.even(seconds),
            needs_lead=self.info.video.is_interlaced,
        )
        assert len(chunks) > 2
        return [
            (
                chunk,
                encode_chunk(
                    self.session(f"chunk-{number}"),
                    self.source,
                    self.info,
                    self.plan,
                    chunk,
                    time_base=index.time_base,
                    threads=1,
                ),
            )
            for number, chunk in enumerate(chunks)
        ]

    def encode_in_chunks(self) -> Path:
        made = self.encode_chunks()
        assert [outcome.frames for _, outcome in made] == [chunk.frames for chunk, _ in made]
        finished = [finish(one) for _, one in made]
        plan, tracks = self.plan, None
        if plan.audio_tracks or plan.subtitles:
            session = self.session("tracks")
            tracks = encode_tracks(session, self.source, self.info, plan, self.request).path
        session = self.session("joined")
        path, _ = concat_chunks(
            session, finished, tracks, self.source, self.info, self.request, plan
        )
        return path

    def encode_in_one(self) -> Path:
        session = self.session("one")
        outcome = encode(
            FfmpegSession(
                self.ffmpeg_binary,
                session.folder,
                session.limits,
                self.sandbox,
                on_progress=session.on_progress,
                should_stop=session.should_stop,
            ),
            self.source,
            self.info,
            self.request,
        )
        return outcome.path


def finish(one: ChunkOutcome) -> FinishedChunk:
    return FinishedChunk(one.path, one.frames, one.delay, one.settings)


Open = Callable[..., ChunkComparison]


@pytest.fixture
def open_comparison(ffmpeg_binary: FfmpegBinary, sandbox: Sandbox, tmp_path: Path) -> Open:
    numbers = count()

    def open_film(source: Path, **options: Any) -> ChunkComparison:
        folder = tmp_path / f"shop-{next(numbers)}"
        folder.mkdir(mode=0o700)
        info = probe(source, Limits(), sandbox=sandbox)
        return ChunkComparison(
            ffmpeg_binary, sandbox, folder, source, read_rendition(options), info
        )

    return open_film


def read_tracks(path: Path) -> list[tuple[str, dict[str, str], list[Fraction]]]:
    """Return each track's kind, names and packet times in seconds.

    The version of its encoder is left out.
    """
    found = []
    with av.open(str(path)) as film:
        for stream in film.streams:
            film.seek(0)
            times = [packet.pts for packet in film.demux(stream) if packet.pts is not None]
            clock = Fraction(stream.time_base or 0)
            seconds = sorted(time * clock for time in times)
            names = {key: text for key, text in stream.metadata.items() if key.lower() != "encoder"}
            found.append((str(stream.type), names, seconds))
    return found


def read_names(path: Path) -> tuple[list[tuple[Fraction, str]], Any, Any]:
    """Return chapters with their start times, the video's names, and its streams."""
    with av.open(str(path)) as film:
        chapters = [
            (Fraction(mark["start"]) * (mark["time_base"] or 0), mark["metadata"]["title"])
            for mark in film.chapters()
        ]
        streams = [
            {key: text for key, text in stream.metadata.items() if key.lower() not in OWN_NAMES}
            for stream in film.streams
        ]
        return chapters, film.metadata.get("title"), streams


def hash_frames(path: Path) -> str:
    return films.read(["-i", f"file:{path}", "-an", "-f", "framemd5", "-"])


def assert_alike(comparison: ChunkComparison) -> None:
    """Check that tracks are equal, and every frame and audio packet has the same time."""
    assert read_tracks(comparison.encode_in_chunks()) == read_tracks(comparison.encode_in_one())


@pytest.mark.parametrize("rate", ["24", "24000/1001", "25", "30000/1001", "30"])
def test_chunked_encode_keeps_the_timestamps_of_a_single_pass(
    open_comparison: Open, tmp_path: Path, rate: str
) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=4, rate=rate, extra=GROUP)
    assert_alike(open_comparison(film, height=90))


def test_chunked_encode_keeps_a_variable_frame_rate(open_comparison: Open, tmp_path: Path) -> None:
    film = films.make_film(
        tmp_path / "film.mp4",
        seconds=4,
        rate="60",
        filters="select='gt(random(1)\\,0.4)'",
        extra=[*GROUP, "-fps_mode", "passthrough", "-enc_time_base", "1:90000"],
    )
    comparison = open_comparison(film, height=90)
    assert comparison.info.video.is_variable_rate
    assert_alike(comparison)


@pytest.mark.parametrize(
    ("ending", "extra", "options"),
    [
        (".mkv", ("-x264-params", "open-gop=1:keyint=20"), {"codec": "h265"}),
        (".mkv", GROUP, {"codec": "vp9", "container": "webm", "preset": "mobile"}),
        (".mp4", ("-g", "1", "-bf", "0"), {"codec": "av1", "preset": "mobile"}),
        (".mp4", GROUP, {"container": "mkv", "bitrate": "200k"}),
    ],
    ids=["open groups", "milliseconds", "every picture a key", "a bitrate"],
)
def test_chunked_encode_supports_other_codecs_and_containers(
    open_comparison: Open,
    tmp_path: Path,
    ending: str,
    extra: tuple[str, ...],
    options: dict[str, Any],
) -> None:
    film = films.make_film(tmp_path / f"film{ending}", seconds=4, extra=extra)
    assert_alike(open_comparison(film, height=90, **options))


def test_chunked_encode_keeps_a_late_video_start(open_comparison: Open, tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "even.mp4", seconds=4, extra=GROUP)
    late = tmp_path / "late.mp4"
    source = f"file:{film}"
    picture = ["-itsoffset", "0.52", "-i", source, "-i", source, "-map", "0:v", "-map", "1:a"]
    films.run([*picture, "-c", "copy", f"file:{late}"])
    assert_alike(open_comparison(late, height=90))


def test_chunked_encode_keeps_names_languages_and_chapters(
    open_comparison: Open, tmp_path: Path
) -> None:
    film = films.make_film(tmp_path / "film.mkv", seconds=4, extra=GROUP)
    (tmp_path / "chapters").write_text(
        ";FFMETADATA1\ntitle=Holiday\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2000\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=2000\nEND=4000\ntitle=Two\n"
    )
    named = tmp_path / "named.mkv"
    inputs = ["-i", f"file:{film}", "-f", "ffmetadata", "-i", f"file:{tmp_path / 'chapters'}"]
    names = ["-metadata:s:a:0", "language=deu", "-metadata:s:a:0", "title=Director"]
    names += ["-metadata:s:v:0", "title=Camera", "-output_ts_offset", "0.08"]
    films.run([*inputs, "-map_metadata", "1", "-c", "copy", *names, f"file:{named}"])
    for container in ("mkv", "mp4"):
        comparison = open_comparison(named, container=container, height=90)
        chunked, single = (
            read_names(comparison.encode_in_chunks()),
            read_names(comparison.encode_in_one()),
        )
        assert chunked == single
        assert [title for _, title in chunked[0]] == ["One", "Two"]
        assert "Director" in str(chunked)


def test_chunked_encode_deinterlaces_across_a_cut(open_comparison: Open, tmp_path: Path) -> None:
    film = films.make_film(
        tmp_path / "film.mp4",
        seconds=4,
        rate="50",
        filters="tinterlace=mode=interleave_top,fieldorder=tff",
        extra=[*GROUP, "-flags", "+ilme+ildct"],
    )
    comparison = open_comparison(film, codec="h264", crf=0)
    assert comparison.info.video.is_interlaced
    chunked, single = comparison.encode_in_chunks(), comparison.encode_in_one()
    assert hash_frames(chunked) == hash_frames(single)


def test_chunk_encoded_again_is_the_same_file(open_comparison: Open, tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=4, extra=GROUP)
    first = open_comparison(film, height=90).encode_chunks()
    again = open_comparison(film, height=90).encode_chunks()
    for (_, one), (_, other) in zip(first, again, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()


def test_chunks_of_different_encoders_are_not_joined(open_comparison: Open, tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=4, has_sound=False, extra=GROUP)
    comparison = open_comparison(film, height=90)
    made = [one for _, one in comparison.encode_chunks()]
    finished = [replace(finish(one), settings=f"x{n}") for n, one in enumerate(made)]
    with pytest.raises(OutputInvalid, match="differ"):
        concat_chunks(
            comparison.session("joined"),
            finished,
            None,
            film,
            comparison.info,
            comparison.request,
            comparison.plan,
        )


def test_duplicate_chunk_is_detected_when_joining(open_comparison: Open, tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=4, has_sound=False, extra=GROUP)
    comparison = open_comparison(film, height=90)
    one = comparison.encode_chunks()[0][1]
    twice = [finish(one)] * 2
    with pytest.raises(OutputInvalid, match="the same frames"):
        concat_chunks(
            comparison.session("joined"),
            twice,
            None,
            film,
            comparison.info,
            comparison.request,
            comparison.plan,
        )


def test_video_without_timestamps_or_with_a_changed_rate_is_not_cut(
    open_comparison: Open, tmp_path: Path
) -> None:
    film = films.make_film(tmp_path / "film.mp4", extra=GROUP)
    assert not can_cut(open_comparison(film).info, read_rendition({"fps": 10}))
    stream = films.remux(film, tmp_path / "film.ts")
    assert not can_cut(open_comparison(stream).info, read_rendition({}))


@pytest.mark.parametrize(
    "options", [{"codec": "vp9", "container": "webm"}, {"codec": "h265"}], ids=["vp9", "h265"]
)
def test_chunked_encode_keeps_color_and_light_metadata(
    open_comparison: Open, tmp_path: Path, options: dict[str, Any]
) -> None:
    one = films.make_hdr(tmp_path / "second.mkv")
    film = tmp_path / "film.mkv"
    films.run(["-stream_loop", "2", "-i", f"file:{one}", "-c", "copy", f"file:{film}"])
    comparison = open_comparison(film, height=90, preset="mobile", **options)
    found = [
        probe(path, Limits(), sandbox=comparison.sandbox).video
        for path in (comparison.encode_in_chunks(), comparison.encode_in_one())
    ]
    assert found[0] == found[1]
    assert found[0].color_transfer == "smpte2084"
    assert found[0].hdr == found[1].hdr


def test_truncated_video_is_not_cut_into_chunks(open_comparison: Open, tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mkv", seconds=4, has_sound=False, extra=GROUP)
    half = films.truncate(film, tmp_path / "half.mkv", 0.6)
    comparison = open_comparison(half, height=90)
    assert index_frames(comparison.session("index"), half, comparison.info) is None


def test_chunk_with_damaged_frames_is_reported(open_comparison: Open, tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=4, has_sound=False, extra=GROUP)
    comparison = open_comparison(film, height=90)
    whole = film.read_bytes()
    middle = len(whole) // 2
    film.write_bytes(whole[:middle] + bytes(4000) + whole[middle + 4000 :])
    assert any(one.is_damaged for _, one in comparison.encode_chunks())


@pytest.mark.parametrize("line", ["0, NOPTS, 0, 40, 504, 0x0", "0, 0, 0, 40, 504, 0x0, F=0x5"])
def test_frame_index_is_none_for_frames_without_timestamps_or_hidden_frames(line: str) -> None:
    assert read_index(iter(["#tb 0: 1/1000", line])) is None
    assert read_index(iter(["#tb 0: 1/1000", "0, 0, 0, 40, 504, 0x0"])) is not None


def test_chunks_keep_the_end_of_a_held_last_frame(tmp_path: Path, open_comparison: Open) -> None:
    gap = films.make_gap(tmp_path / "gap.mp4", "-g", "10")
    film = films.hold_last_frame(gap, tmp_path / "film.mp4", last_seconds=2.5, seconds=2.0)
    comparison = open_comparison(film, codec="h264", container="mp4")
    made = [finish(one) for _, one in comparison.encode_chunks(seconds=0.3)]
    session = comparison.session("joined")
    _, facts = concat_chunks(
        session, made, None, film, comparison.info, comparison.request, comparison.plan
    )
    assert facts["duration_seconds"] == pytest.approx(4.5, abs=0.02)


def test_channels_that_are_tracks_of_their_own_are_one_sound_in_chunks(
    open_comparison: Open, tmp_path: Path
) -> None:
    film = sounds.make_mono_tracks(tmp_path / "film.mov", {"FL": 440, "FR": 880}, seconds=4)
    opened = open_comparison(film)
    chunked = replace(opened, info=join_tracks(opened.info)).encode_in_chunks()
    for path in (chunked, opened.encode_in_one()):
        (track,) = probe(path, Limits(), sandbox=opened.sandbox).audio
        assert track.places == ("FL", "FR")
        assert sounds.measure_tone(path, 440) > 0.5
        assert sounds.measure_tone(path, 880) > 0.5
