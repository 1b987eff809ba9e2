"""Pieces of timelines by the real FFmpeg: the right frames, and no seam between them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tests import films
from tests.integration.media.editing import (
    FADE,
    OUTPUT,
    Bench,
    edit,
    make_numbered,
    read_brightness,
    read_numbers,
    read_sound,
)

from cinemill.capabilities.render.pieces.join import JoinPiece, join_pieces
from cinemill.capabilities.render.pieces.render_piece import check_coverage
from cinemill.capabilities.render.timeline.pieces import SAMPLE_RATE_HZ, total_frames
from cinemill.capabilities.render.timeline.timeline import TRANSITIONS, Clip
from cinemill.core.text.subtitle_parser import read_subtitles
from cinemill.errors import JobCancelled, MediaRejected, OutputInvalid
from cinemill.media.ffmpeg.binary import FfmpegBinary

OPEN_GROUPS = "open-gop=1:keyint=12:bframes=4:scenecut=0"
H264 = ["-c:v", "libx264", "-preset", "fast", "-pix_fmt", "yuv420p"]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("film.mp4", [*H264, "-g", "250", "-bf", "3"]),
        ("film.mkv", [*H264, "-x264-params", OPEN_GROUPS]),
        ("film.ts", [*H264, "-x264-params", OPEN_GROUPS]),
        ("hevc.mp4", ["-c:v", "libx265", "-x265-params", f"{OPEN_GROUPS}:log-level=none"]),
        ("film.webm", ["-c:v", "libvpx-vp9", "-cpu-used", "8"]),
        ("film.avi", ["-c:v", "mpeg4", "-bf", "2"]),
        ("film.wmv", ["-c:v", "wmv2"]),
    ],
)
@pytest.mark.parametrize("first", [12, 45])
def test_piece_shows_exactly_its_frames(
    bench: Bench, tmp_path: Path, name: str, codec: list[str], first: int
) -> None:
    """Starting at the beginning and in the middle, whatever times the container stores."""
    film = bench.add(make_numbered(tmp_path / name, codec=codec, has_sound=False, seconds=2.2))
    timeline = edit(Clip(film, Fraction(first, 25), Fraction(first + 9, 25)))
    (outcome,) = bench.render(timeline)
    assert read_numbers(outcome.path) == list(range(first, first + 9))


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
@pytest.mark.parametrize("seconds", [1, 6])
def test_piece_holds_a_long_frame_until_the_next_begins(
    bench: Bench, tmp_path: Path, name: str, seconds: int
) -> None:
    """As in screen recordings: dark from 3 s on, nothing new before 13 s, then bright."""
    light = "geq=lum='if(between(T,2.99,12.99),40,200)':cb=128:cr=128"
    still = f"{light},select='not(between(t,3.01,12.99))'"
    path, size = tmp_path / name, (64, 36)
    vfr = ["-fps_mode", "vfr"]
    film = bench.add(
        films.make_film(path, size=size, rate="10", seconds=16, filters=still, extra=vfr)
    )
    (outcome,) = bench.render(edit(Clip(film, Fraction(9), Fraction(9 + seconds))))
    shown = [value < 100 for value in read_brightness(outcome.path)]
    assert shown == [moment < 100 for moment in range(seconds * 25)]


def test_pieces_of_one_video_meet_without_a_seam(bench: Bench, tmp_path: Path) -> None:
    film = bench.add(make_numbered(tmp_path / "film.mp4", extra=["-bf", "3", "-g", "250"]))
    timeline = edit(Clip(film, Fraction(0), Fraction(1)), Clip(film, Fraction(1), Fraction(2)))
    outcomes = bench.render(timeline)
    path, facts = bench.join(timeline, outcomes, None)
    assert read_numbers(path) == list(range(50))
    assert (facts["frames"], facts["sounds"], facts["duration_seconds"]) == (50, 0, 2.0)


def test_frame_rate_conversion_keeps_each_timestamp(bench: Bench, tmp_path: Path) -> None:
    film = bench.add(make_numbered(tmp_path / "film.mp4", rate="24000/1001"))
    timeline = edit(
        Clip(film, Fraction(1, 2), Fraction(3, 2)), output=replace(OUTPUT, fps=Fraction(30))
    )
    (outcome,) = bench.render(timeline)
    moments = [Fraction(1, 2) + Fraction(n, 30) for n in range(30)]
    shown = [int((moment + Fraction(1, 400)) * 24000 / 1001) for moment in moments]
    assert read_numbers(outcome.path) == shown


def test_pieces_from_videos_of_every_kind_are_joined(bench: Bench, tmp_path: Path) -> None:
    sources = [
        bench.add(films.make_film(tmp_path / "a.mp4", rate="30000/1001", size=(640, 360))),
        bench.add(films.make_film(tmp_path / "b.mkv", rate="24", size=(180, 320))),
        bench.add(films.make_variable_rate(tmp_path / "c.mp4")),
        bench.add(films.make_rotated(tmp_path / "d.mp4")),
        bench.add(films.make_interlaced(tmp_path / "e.mp4")),
        bench.add(films.make_hdr(tmp_path / "f.mp4")),
        bench.add(films.make_edit_list(tmp_path / "g.mp4")),
        bench.add(films.make_late_picture(tmp_path / "h.mp4")),
    ]
    short = replace(FADE, seconds=Fraction(1, 5))
    clips = [Clip(source, Fraction(1, 5), Fraction(9, 10), short) for source in sources]
    timeline = edit(*clips, output=replace(OUTPUT, fps=Fraction(30000, 1001)))
    path, facts = bench.join(timeline, bench.render(timeline), bench.mix(timeline))
    assert facts["frames"] == total_frames(timeline)
    assert facts["sounds"] == 1
    with av.open(str(path)) as film:
        assert sum(1 for _ in film.decode(video=0)) == facts["frames"]


def test_clip_of_another_aspect_ratio_is_fitted_in(bench: Bench, tmp_path: Path) -> None:
    white = "lutyuv=y=235:u=128:v=128"
    film = bench.add(films.make_film(tmp_path / "a.mp4", size=(180, 180), filters=white))
    (outcome,) = bench.render(edit(Clip(film, Fraction(0), Fraction(1, 5))))
    with av.open(str(outcome.path)) as made:
        picture = next(made.decode(video=0)).to_ndarray(format="gray")
    assert picture.shape == (180, 320)
    assert picture[90, 160] > 240
    assert picture[90, 20] < 10
    assert picture[90, 300] < 10


def test_transition_goes_from_one_clip_to_the_next(bench: Bench, tmp_path: Path) -> None:
    dark, light = (
        bench.add(
            films.make_film(tmp_path / f"{level}.mp4", filters=f"lutyuv=y={level}:u=128:v=128")
        )
        for level in (16, 235)
    )
    timeline = edit(
        Clip(dark, Fraction(0), Fraction(1), FADE), Clip(light, Fraction(0), Fraction(1))
    )
    path, _ = bench.join(timeline, bench.render(timeline), None)
    seen = read_brightness(path)
    assert len(seen) == 40
    assert max(seen[:15]) < 4
    assert min(seen[25:]) > 250
    assert seen[15:25] == sorted(seen[15:25])
    assert 100 < seen[20] < 155


def test_every_transition_exists_in_ffmpeg(ffmpeg_binary: FfmpegBinary) -> None:
    listing = subprocess.run(
        [str(ffmpeg_binary.ffmpeg), "-hide_banner", "-h", "filter=xfade"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    kinds = {line.split()[0] for line in listing.splitlines() if line.startswith("     ")}
    assert set(TRANSITIONS) <= kinds


def test_render_fades_from_and_to_black(bench: Bench, tmp_path: Path) -> None:
    light = bench.add(
        films.make_film(tmp_path / "light.mp4", filters="lutyuv=y=235:u=128:v=128", seconds=2)
    )
    clip = Clip(
        light,
        Fraction(0),
        Fraction(2),
        fade_in_seconds=Fraction(1, 2),
        fade_out_seconds=Fraction(1, 2),
    )
    timeline = edit(clip)
    path, _ = bench.join(timeline, bench.render(timeline), bench.mix(timeline))
    seen = read_brightness(path)
    assert seen[0] < 4
    assert seen[:12] == sorted(seen[:12])
    assert min(seen[13:37]) > 250
    assert seen[38:] == sorted(seen[38:], reverse=True)
    sound = np.abs(read_sound(path))
    assert sound[:2000].max() < 0.1 * sound.max()
    assert sound[-2000:].max() < 0.1 * sound.max()


def test_subtitles_are_visible_in_their_frames_only(bench: Bench, tmp_path: Path) -> None:
    dark = bench.add(films.make_film(tmp_path / "dark.mp4", filters="lutyuv=y=16:u=128:v=128"))
    clip = Clip(dark, Fraction(0), Fraction(1, 2))
    subtitles = read_subtitles(
        b"1\n00:00:00,400 --> 00:00:00,600\n'; [x] %{pts} \\N {\\b1} : , movie=/etc/passwd\n"
    )
    timeline = edit(clip, clip)
    outcomes = bench.render(timeline, subtitles)
    path, _ = bench.join(timeline, outcomes, None)
    with av.open(str(path)) as film:
        brightest = [
            int(frame.to_ndarray(format="gray")[120:].max()) for frame in film.decode(video=0)
        ]
    written = [number for number, value in enumerate(brightest) if value > 150]
    assert written == list(range(10, 15))


def test_render_audio_has_the_exact_duration_and_stays_in_sync(
    bench: Bench, tmp_path: Path
) -> None:
    """A click in every second of both videos is at its frame, over cut and transition."""
    clicks = "aevalsrc='if(lt(mod(t,1),0.005),0.9,0)':s={}:d=3"
    paths = []
    for name, rate in (("a.mp4", 44_100), ("b.mkv", 48_000)):
        path = tmp_path / name
        films.run(
            [
                *("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=3"),
                *("-f", "lavfi", "-i", clicks.format(rate), "-c:v", "libx264"),
                *("-preset", "ultrafast", "-c:a", "flac", "-strict", "-2", str(path)),
            ]
        )
        paths.append(path)
    first, second = (bench.add(path) for path in paths)
    silent = bench.add(films.make_film(tmp_path / "c.mp4", has_sound=False))
    timeline = edit(
        Clip(first, Fraction(1, 2), Fraction(5, 2), FADE),  # clicks at 0.5 and 1.5
        Clip(second, Fraction(3, 10), Fraction(5, 2)),  # from 1.6: clicks at 2.3 and 3.3
        Clip(silent, Fraction(0), Fraction(1, 2)),  # from 3.8
        Clip(first, Fraction(4, 5), Fraction(9, 5)),  # from 4.3: a click at 4.5
    )
    path, facts = bench.join(timeline, bench.render(timeline), bench.mix(timeline))
    assert facts["frames"] == total_frames(timeline)
    sound = np.abs(read_sound(path))
    loud = np.flatnonzero(sound > 0.25) / SAMPLE_RATE_HZ
    starts = [float(at) for n, at in enumerate(loud) if n == 0 or at - loud[n - 1] > 0.1]
    assert starts == pytest.approx([0.5, 1.5, 2.3, 3.3, 4.5], abs=0.02)


def test_audio_from_many_commands_has_no_seam(bench: Bench, tmp_path: Path) -> None:
    """One tone cut into many clips is the same tone again."""
    tone = bench.add(films.make_film(tmp_path / "tone.mkv", seconds=4))
    steps = [Fraction(n, 5) for n in range(20)]
    timeline = edit(*(Clip(tone, step, step + Fraction(1, 5)) for step in steps))
    sound = bench.mix(timeline)
    assert sound is not None
    audible = read_sound(sound)[: SAMPLE_RATE_HZ * 4]
    spectrum = np.abs(np.fft.rfft(audible * np.hanning(len(audible))))
    peak = int(spectrum.argmax())
    noise = spectrum.copy()
    noise[max(0, peak - 40) : peak + 40] = 0
    assert peak * SAMPLE_RATE_HZ / len(audible) == pytest.approx(440, abs=1)
    assert noise.max() < spectrum.max() / 200


def test_render_without_audio_has_no_audio_track(bench: Bench, tmp_path: Path) -> None:
    silent = bench.add(films.make_film(tmp_path / "c.mp4", has_sound=False))
    assert bench.mix(edit(Clip(silent, Fraction(0), Fraction(1)))) is None


def test_clip_slightly_past_the_end_of_its_video_is_accepted(bench: Bench, tmp_path: Path) -> None:
    bench.add(films.make_film(tmp_path / "a.mp4", seconds=2))
    film = bench.films[str(tmp_path / "a.mp4")]
    assert check_coverage(film, Fraction(2))
    assert check_coverage(film, Fraction(21, 10))
    assert not check_coverage(film, Fraction(5, 2))


def test_truncated_source_is_reported_by_the_piece(bench: Bench, tmp_path: Path) -> None:
    whole = films.make_film(tmp_path / "a.mkv", seconds=4)
    half = films.truncate(whole, tmp_path / "half.mkv", 0.5)
    film = bench.add(half)
    with pytest.raises(MediaRejected) as refused:
        bench.render(edit(Clip(film, Fraction(1), Fraction(4))))
    assert refused.value.code in ("media_truncated", "media_damaged")


def test_pieces_of_different_settings_are_not_joined(bench: Bench, tmp_path: Path) -> None:
    film = bench.add(films.make_film(tmp_path / "a.mp4"))
    timeline = edit(
        Clip(film, Fraction(0), Fraction(1, 5)), Clip(film, Fraction(0), Fraction(1, 5))
    )
    first, second = bench.render(timeline)
    other = replace(second, facts={**second.facts, "settings": "other"})
    with pytest.raises(OutputInvalid, match="differ"):
        bench.join(timeline, [first, other], None)


def test_missing_frame_is_detected_when_joining(bench: Bench, tmp_path: Path) -> None:
    film = bench.add(films.make_film(tmp_path / "a.mp4"))
    timeline = edit(
        Clip(film, Fraction(0), Fraction(1, 5)), Clip(film, Fraction(0), Fraction(1, 5))
    )
    first, second = bench.render(timeline)
    longer = replace(first, facts={**first.facts, "frames": 6})
    with pytest.raises(OutputInvalid, match="as planned"):
        bench.join(timeline, [longer, second], None)


def test_joining_pieces_can_be_cancelled(bench: Bench, tmp_path: Path) -> None:
    film = bench.add(films.make_film(tmp_path / "a.mp4", seconds=12, size=(64, 64)))
    timeline = edit(
        Clip(film, Fraction(0), Fraction(12)), output=replace(OUTPUT, width=64, height=64)
    )
    pieces = [JoinPiece(one.path, **one.facts) for one in bench.render(timeline)]
    with pytest.raises(JobCancelled):
        join_pieces(
            pieces,
            None,
            timeline.output,
            tmp_path / "film.mp4",
            on_progress=lambda share: None,
            should_stop=lambda: JobCancelled("enough"),
        )
