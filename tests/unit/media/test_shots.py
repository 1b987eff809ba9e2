"""Shots from tiny frames: cuts between any images, fades and flashes, and motion that is none."""

from __future__ import annotations

import functools
import itertools
import tracemalloc
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cinemill.core.frames import Shot
from cinemill.media.frames.shots import SHORTEST_SHOT_MS, detect_shots

Image = NDArray[np.uint8]
STEP_MS = 40
COLORS = {
    "red": (200, 40, 40),
    "green": (40, 108, 40),
    "blue": (60, 60, 255),
    "gray": (88, 88, 88),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
}


def flat(color: tuple[int, int, int]) -> Image:
    return np.full((27, 48, 3), color, dtype=np.uint8)


@functools.cache
def texture(seed: int) -> Image:
    """Smooth blobs, as in a scaled-down photograph."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 8, 3))
    image = np.kron(coarse, np.ones((6, 6, 1)))[:27, :48].astype(np.uint8)
    image.flags.writeable = False
    return image


def shaken(image: Image, count: int, *, levels: int = 3, seed: int = 0) -> list[Image]:
    noise = np.random.default_rng(seed)
    return [
        np.clip(
            image.astype(int) + noise.integers(-levels, levels + 1, image.shape), 0, 255
        ).astype(np.uint8)
        for _ in range(count)
    ]


def find(images: Iterable[Image]) -> list[int]:
    """Return the frame numbers at which shots begin, but for the first."""
    listed = list(images)
    end_ms = len(listed) * STEP_MS
    shots = detect_shots(((n * STEP_MS, image) for n, image in enumerate(listed)), end_ms)
    check_cover(shots, 0, end_ms)
    return [shot.start_ms // STEP_MS for shot in shots[1:]]


def check_cover(shots: list[Shot], start_ms: int, end_ms: int) -> None:
    assert [shots[0].start_ms, *(shot.end_ms for shot in shots)] == [
        *(shot.start_ms for shot in shots),
        end_ms,
    ]
    assert shots[0].start_ms == start_ms
    assert all(shot.start_ms < shot.end_ms for shot in shots)


@pytest.mark.parametrize("before", COLORS)
@pytest.mark.parametrize("after", COLORS)
def test_cut_between_flat_colors_is_found(before: str, after: str) -> None:
    images = shaken(flat(COLORS[before]), 20) + shaken(flat(COLORS[after]), 20, seed=1)
    assert find(images) == ([] if before == after else [20])


def test_cut_between_images_of_equal_brightness_is_found() -> None:
    left, right = texture(1), texture(1)[:, :, ::-1]
    # Only colors are exchanged, and the luma of both is made the same.
    weights = np.array([0.299, 0.587, 0.114])
    offset = (left @ weights - right @ weights)[..., None]
    right = np.clip(right + offset, 0, 255).astype(np.uint8)
    assert find([left] * 15 + [right] * 15) == [15]


def test_cuts_between_noisy_textures_are_found() -> None:
    images = [frame for seed in range(12) for frame in shaken(texture(seed), 13, seed=seed)]
    assert find(images) == [13 * n for n in range(1, 12)]


def test_cut_whose_frames_are_blended_is_found_once() -> None:
    left, right = texture(3).astype(int), texture(4).astype(int)
    blended = ((left + right) // 2).astype(np.uint8)
    found = find([texture(3)] * 12 + [blended] + [texture(4)] * 12)
    assert len(found) == 1
    assert found[0] in (12, 13)


@pytest.mark.parametrize("length", [1, 2, 4])
def test_flash_is_no_cut(length: int) -> None:
    scene = shaken(texture(5), 40)
    scene[18 : 18 + length] = [flat((255, 255, 255))] * length
    assert find(scene) == []


def test_cut_next_to_a_flash_is_found() -> None:
    images = shaken(texture(6), 30) + shaken(texture(7), 30)
    images[10] = flat((255, 255, 255))
    assert find(images) == [30]


@pytest.mark.parametrize("color", ["black", "white"])
def test_fade_through_one_color_is_one_boundary_in_its_middle(color: str) -> None:
    def fade(image: Image, shares: NDArray[np.float64]) -> list[Image]:
        target = flat(COLORS[color])
        return [(image * s + target * (1 - s)).astype(np.uint8) for s in shares]

    out, into = np.linspace(1, 0, 20), np.linspace(0, 1, 20)
    images = shaken(texture(8), 20) + fade(texture(8), out)
    images += [flat(COLORS[color])] * 6 + fade(texture(9), into) + shaken(texture(9), 20)
    found = find(images)
    assert len(found) == 1
    assert 38 <= found[0] <= 48


def test_fade_in_at_the_start_and_out_at_the_end_are_no_boundaries() -> None:
    into = [(texture(8) * s).astype(np.uint8) for s in np.linspace(0, 1, 25)]
    assert find(into + shaken(texture(8), 20) + into[::-1]) == []


@pytest.mark.parametrize("pixels_a_frame", [1, 2, 3])
def test_panning_camera_is_one_shot(pixels_a_frame: int) -> None:
    wide = np.concatenate([texture(seed) for seed in range(8)], axis=1)
    images = [
        wide[:, pixels_a_frame * n : pixels_a_frame * n + 48]
        for n in range((wide.shape[1] - 48) // pixels_a_frame)
    ]
    assert find(images) == []


def test_motion_with_every_frame_shown_twice_is_one_shot() -> None:
    wide = np.concatenate([texture(seed) for seed in range(8)], axis=1)
    assert find([wide[:, 2 * (n // 2) : 2 * (n // 2) + 48] for n in range(200)]) == []


def test_text_that_appears_is_no_cut() -> None:
    scene = shaken(texture(10), 40)
    for image in scene[15:30]:
        image[20:25, 8:40] = 255
    assert find(scene) == []


def test_video_without_frames_has_no_shots() -> None:
    assert detect_shots([], 0) == []


def test_single_frame_is_one_shot() -> None:
    assert detect_shots([(0, flat((1, 2, 3)))], 5000) == [Shot(0, 5000)]


def test_times_of_frames_and_gaps_are_kept() -> None:
    times = [0, 40, 95, 1000, 3000, 3001, 9000, 9500]
    images = [texture(1)] * 4 + [texture(2)] * 4
    assert detect_shots(zip(times, images, strict=True), 10_000) == [
        Shot(0, 3000),
        Shot(3000, 10_000),
    ]


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(1, 40)), min_size=1, max_size=12),
    st.integers(0, 5000),
)
def test_shots_cover_any_video_without_gaps(parts: list[tuple[int, int]], start_ms: int) -> None:
    images = [texture(seed) for seed, count in parts for _ in range(count)]
    times = [start_ms + n * STEP_MS for n in range(len(images))]
    end_ms = times[-1] + STEP_MS
    shots = detect_shots(zip(times, images, strict=True), end_ms)
    check_cover(shots, start_ms, end_ms)
    assert all(shot.end_ms - shot.start_ms >= SHORTEST_SHOT_MS for shot in shots[1:])


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(200, 300)), min_size=2, max_size=3))
def test_cut_anywhere_in_long_shots_is_found(parts: list[tuple[int, int]]) -> None:
    images = [texture(seed) for seed, count in parts for _ in range(count)]
    changes = np.cumsum([count for _, count in parts])[:-1]
    expected = [
        int(place)
        for place, (before, after) in zip(changes, itertools.pairwise(parts), strict=True)
        if before[0] != after[0]
    ]
    assert find(images) == expected


def test_stop_request_ends_the_search_while_frames_come_and_after_them() -> None:
    frames = [(n * STEP_MS, flat(color)) for n, color in enumerate(list(COLORS.values()) * 200)]
    asked: list[int] = []

    def count() -> None:
        asked.append(1)

    detect_shots(frames, 10**6, should_stop=count)
    assert len(asked) >= len(frames) // 256 + 2
    for number in (1, len(asked)):
        answers = [*[None] * (number - 1), InterruptedError(str(number))]
        with pytest.raises(InterruptedError, match=str(number)):
            detect_shots(frames, 10**6, should_stop=iter(answers).__next__)


def peak_bytes(frames: int) -> int:
    """Return the most memory that finding the shots of a flickering video takes."""
    images = [flat(color)[:2, :2] for color in COLORS.values()]

    def play() -> Iterator[tuple[int, Image]]:
        for n in range(frames):
            yield 1_000_000 + n * STEP_MS, images[n // 40 % len(images)]

    tracemalloc.start()
    try:
        detect_shots(play(), 1_000_000 + frames * STEP_MS)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_hardly_grows_with_the_length() -> None:
    short, long = peak_bytes(3_000), peak_bytes(23_000)
    assert (long - short) / 20_000 < 100  # bytes a frame
