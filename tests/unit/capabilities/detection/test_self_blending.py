"""Self-blended images: what differs between a real and its fake, and what must not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cinemill.capabilities.detection.evaluation.ranking import roc_auc
from cinemill.capabilities.detection.training.alteration import UNCHANGED, alter, draw_alteration
from cinemill.capabilities.detection.training.degradation import (
    Degradation,
    degrade,
    draw_degradation,
)
from cinemill.capabilities.detection.training.face_area import (
    LANDMARKS,
    FaceArea,
    Landmarks,
    MaskRecipe,
    convex_hull,
    draw_mask,
    draw_mask_recipe,
)
from cinemill.capabilities.detection.training.randomness import item_random
from cinemill.capabilities.detection.training.self_blending import (
    Control,
    Placement,
    blend,
    draw_recipe,
    make_control,
    make_pair,
    resample,
)

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

SIZE = 96


def make_landmarks(size: int = SIZE) -> Landmarks:
    """Points of a face: the oval's on an ellipse, the others where they lie in it, roughly."""
    random = np.random.default_rng(468)
    angles = random.uniform(0, 2 * np.pi, LANDMARKS)
    radii = np.sqrt(random.uniform(0, 0.7, LANDMARKS))
    points = np.stack([radii * np.cos(angles) * 0.3, radii * np.sin(angles) * 0.4], axis=1)
    oval = (
        *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
        *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
    )
    for number, point in enumerate(oval):
        angle = 2 * np.pi * number / len(oval)
        points[point] = 0.3 * np.sin(angle), -0.4 * np.cos(angle)
    return ((points + 0.5) * size).astype(np.float32)


def make_picture(seed: int = 0, size: int = SIZE) -> Pixels:
    random = np.random.default_rng(seed)
    coarse = random.uniform(40, 210, (8, 8, 3))
    picture = np.kron(coarse, np.ones((size // 8, size // 8, 1)))
    return np.clip(picture + random.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)


PICTURE, POINTS = make_picture(), make_landmarks()
seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=25)
@given(seeds)
def test_blend_of_a_picture_with_itself_is_undetectable(seed: int) -> None:
    recipe = draw_recipe(np.random.default_rng(seed), SIZE, SIZE)
    pair = make_control(PICTURE, POINTS, recipe, Control.IDENTITY)
    assert np.array_equal(pair.real, pair.fake)


@settings(max_examples=25)
@given(seeds)
def test_same_recipe_makes_the_same_pair(seed: int) -> None:
    first, second = (
        make_pair(PICTURE, POINTS, draw_recipe(np.random.default_rng(seed), SIZE, SIZE))
        for _ in range(2)
    )
    assert np.array_equal(first.real, second.real)
    assert np.array_equal(first.fake, second.fake)
    assert first.fake.shape == PICTURE.shape
    assert first.fake.dtype == np.uint8


@settings(max_examples=25)
@given(seeds)
def test_fake_is_the_target_outside_its_mask_and_differs_inside(seed: int) -> None:
    recipe = replace(
        draw_recipe(np.random.default_rng(seed), SIZE, SIZE),
        degradation=Degradation(),
        is_real_the_source=False,
    )
    pair = make_pair(PICTURE, POINTS, recipe)
    outside = pair.mask == 0
    assert outside.any()
    assert np.array_equal(pair.fake[outside], pair.real[outside])
    assert not np.array_equal(pair.fake, pair.real)


def test_real_is_source_or_target_about_equally_often() -> None:
    recipes = [draw_recipe(item_random(1, number), SIZE, SIZE) for number in range(400)]
    assert 160 <= sum(one.is_real_the_source for one in recipes) <= 240
    altered = [one.source_alteration != UNCHANGED for one in recipes]
    assert 160 <= sum(altered) <= 240
    assert all(
        (one.source_alteration == UNCHANGED) != (one.target_alteration == UNCHANGED)
        for one in recipes
    )


def sharpness(pixels: Pixels) -> float:
    """High frequencies of a whole picture: what resampling and blur change."""
    grey = pixels.astype(np.float64).mean(axis=2)
    edges = grey[1:-1, 1:-1] * 4 - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2]
    return float(np.mean((edges - grey[1:-1, 2:]) ** 2))


def brightness(pixels: Pixels) -> float:
    return float(pixels.mean())


@pytest.fixture(scope="module")
def changes() -> dict[str, NDArray[np.float64]]:
    """By kind of picture, how sharpness and brightness changed from the untouched one, as logs."""
    rows: dict[str, list[tuple[float, float]]] = {"real": [], "fake": [], "untouched": []}
    for number in range(100):
        picture = make_picture(number % 10)
        recipe = draw_recipe(item_random(3, number), SIZE, SIZE)
        pair = make_pair(picture, POINTS, recipe)
        untouched = degrade(picture, recipe.degradation)
        for kind, pixels in (("real", pair.real), ("fake", pair.fake), ("untouched", untouched)):
            rows[kind].append(
                (
                    np.log(sharpness(pixels) / sharpness(untouched)),
                    np.log(brightness(pixels) / brightness(untouched)),
                )
            )
    return {kind: np.asarray(values) for kind, values in rows.items()}


def tell_apart(changes: dict[str, NDArray[np.float64]], left: str, right: str) -> list[float]:
    """AUCs of each change with its sign, then without."""
    labels = [False] * 100 + [True] * 100
    both = np.concatenate([changes[left], changes[right]])
    return [roc_auc(labels, column) for column in [*both.T, *abs(both).T]]


def test_no_statistic_of_whole_pictures_tells_reals_from_fakes(
    changes: dict[str, NDArray[np.float64]],
) -> None:
    aucs = tell_apart(changes, "real", "fake")
    assert aucs == pytest.approx([0.5] * 4, abs=0.15)


def test_reals_that_were_left_untouched_would_be_told_apart_by_any_change(
    changes: dict[str, NDArray[np.float64]],
) -> None:
    assert min(tell_apart(changes, "untouched", "fake")[2:]) > 0.95


def test_placement_control_keeps_colors_and_moves_the_face() -> None:
    recipe = replace(
        draw_recipe(np.random.default_rng(5), SIZE, SIZE),
        degradation=Degradation(),
        source=Placement(1.05, 1.05, 0.03, 0.03),
        is_real_the_source=False,
    )
    pair = make_control(PICTURE, POINTS, recipe, Control.PLACEMENT_ONLY)
    assert not np.array_equal(pair.real, pair.fake)
    assert abs(brightness(pair.real) - brightness(pair.fake)) < 4


def test_whole_picture_control_has_no_boundary_and_is_altered_everywhere() -> None:
    recipe = replace(draw_recipe(np.random.default_rng(8), SIZE, SIZE), degradation=Degradation())
    pair = make_control(PICTURE, POINTS, recipe, Control.WHOLE_PICTURE)
    expected = resample(alter(PICTURE, recipe.source_alteration), recipe.source)
    altered, plain = (
        (pair.fake, pair.real) if recipe.source_alteration != UNCHANGED else (pair.real, pair.fake)
    )
    assert np.array_equal(altered, expected)
    assert not np.array_equal(plain, altered)


@given(seeds)
def test_blend_stays_between_source_and_target(seed: int) -> None:
    random = np.random.default_rng(seed)
    source, target = random.integers(0, 256, (2, 6, 7, 3), dtype=np.uint8)
    mask = random.uniform(0, 1, (6, 7)).astype(np.float32)
    mixed = blend(source, target, mask)
    assert (mixed >= np.minimum(source, target)).all()
    assert (mixed <= np.maximum(source, target)).all()
    assert np.array_equal(blend(source, target, np.zeros((6, 7), np.float32)), target)
    assert np.array_equal(blend(source, target, np.ones((6, 7), np.float32)), source)


@settings(max_examples=40)
@given(seeds, st.sampled_from([*FaceArea]))
def test_mask_is_soft_bounded_and_over_the_face(seed: int, area: FaceArea) -> None:
    recipe = replace(draw_mask_recipe(np.random.default_rng(seed)), area=area)
    mask = draw_mask(POINTS, SIZE, SIZE, recipe)
    assert mask.shape == (SIZE, SIZE)
    assert mask.dtype == np.float32
    assert float(mask.min()) >= 0
    assert float(mask.max()) == pytest.approx(recipe.ratio, abs=1e-5)
    assert mask[0].max() < recipe.ratio / 2
    assert mask.sum() > 0


def test_areas_are_parts_of_the_face() -> None:
    plain = MaskRecipe(FaceArea.FACE, ((0.0, 0.0),) * 25, 0.001, 0.001, 1.0)
    areas = {
        area: float(draw_mask(POINTS, SIZE, SIZE, replace(plain, area=area)).sum())
        for area in FaceArea
    }
    assert max(areas, key=lambda area: areas[area]) is FaceArea.FACE
    assert areas[FaceArea.FACE] == pytest.approx(np.pi * 0.3 * 0.4 * SIZE**2, rel=0.05)


def test_mask_narrower_than_its_blur_keeps_the_hull() -> None:
    points = (POINTS - SIZE / 2) * 0.05 + SIZE / 2
    recipe = MaskRecipe(FaceArea.MOUTH, ((0.0, 0.0),) * 25, 0.5, 0.01, 1.0)
    assert draw_mask(points.astype(np.float32), SIZE, SIZE, recipe).max() == pytest.approx(1.0)


def test_mask_of_a_face_outside_the_picture_is_empty() -> None:
    recipe = draw_mask_recipe(np.random.default_rng(1))
    assert draw_mask(POINTS + 10 * SIZE, SIZE, SIZE, recipe).max() == 0


@pytest.mark.parametrize("shape", [(68, 2), (LANDMARKS, 3), (0, 2)])
def test_mask_of_other_landmarks_is_rejected(shape: tuple[int, int]) -> None:
    recipe = draw_mask_recipe(np.random.default_rng(1))
    with pytest.raises(ValueError, match="468"):
        draw_mask(np.zeros(shape, np.float32), SIZE, SIZE, recipe)
    with pytest.raises(ValueError, match="468"):
        draw_mask(np.full((LANDMARKS, 2), np.nan, np.float32), SIZE, SIZE, recipe)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=20))
def test_hull_holds_every_point(points: list[tuple[int, int]]) -> None:
    hull = convex_hull(np.asarray(points, np.float64))
    if len(hull) < 3:
        return
    following = np.roll(hull, -1, axis=0)
    for x, y in points:
        sides = (following[:, 0] - hull[:, 0]) * (y - hull[:, 1]) - (
            following[:, 1] - hull[:, 1]
        ) * (x - hull[:, 0])
        assert (sides >= -1e-9).all()


def test_resampling_shows_no_empty_border_and_nothing_moves_without_a_placement() -> None:
    white = np.full((SIZE, SIZE, 3), 255, np.uint8)
    moved = resample(white, Placement(0.95, 0.95, 0.03, -0.03))
    assert int(moved.min()) == 255
    assert np.array_equal(resample(PICTURE, Placement()), PICTURE)


def test_resampling_shifts_to_the_right_and_down() -> None:
    dot = np.zeros((SIZE, SIZE, 3), np.uint8)
    dot[40, 30] = 255
    moved = resample(dot, Placement(shift_x=10 / SIZE, shift_y=5 / SIZE))
    assert divmod(int(moved[..., 0].argmax()), SIZE) == (45, 40)


def test_alteration_is_reproducible_and_no_alteration_changes_nothing() -> None:
    alteration = draw_alteration(np.random.default_rng(2))
    assert np.array_equal(alter(PICTURE, alteration), alter(PICTURE, alteration))
    assert np.array_equal(alter(PICTURE, UNCHANGED), PICTURE)
    assert not np.array_equal(alter(PICTURE, alteration), PICTURE)
    assert int(alter(PICTURE, replace(UNCHANGED, red=15))[..., 0].mean()) > int(
        PICTURE[..., 0].mean() + 10
    )


@settings(max_examples=25)
@given(seeds)
def test_degradation_keeps_size_and_is_reproducible(seed: int) -> None:
    degradation = draw_degradation(np.random.default_rng(seed))
    degraded = degrade(PICTURE, degradation)
    assert degraded.shape == PICTURE.shape
    assert np.array_equal(degraded, degrade(PICTURE, degradation))


def test_degradation_of_nothing_changes_nothing_and_mirrors_when_asked() -> None:
    assert np.array_equal(degrade(PICTURE, Degradation()), PICTURE)
    assert np.array_equal(degrade(PICTURE, Degradation(is_mirrored=True)), PICTURE[:, ::-1])


def test_item_random_depends_on_the_names_and_not_on_their_borders() -> None:
    first = item_random(1, "ab", "c").integers(2**32, size=4)
    assert np.array_equal(first, item_random(1, "ab", "c").integers(2**32, size=4))
    assert not np.array_equal(first, item_random(1, "a", "bc").integers(2**32, size=4))
    assert not np.array_equal(first, item_random(2, "ab", "c").integers(2**32, size=4))
