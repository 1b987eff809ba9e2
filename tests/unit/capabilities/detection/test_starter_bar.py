"""What a head must reach before it ships."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cinemill.capabilities.detection.evaluation.bootstrap import Interval
from cinemill.capabilities.detection.training.starter_bar import (
    StarterCandidate,
    list_shortcomings,
)

GOOD = StarterCandidate(
    identities=40,
    held_out=15,
    shared_with_training=0,
    auc=0.75,
    auc_interval=Interval(0.651, 0.84, 0.95, 15, 1000),
    size_bytes=900_000,
)


def test_head_that_reaches_the_bar_ships() -> None:
    assert list_shortcomings(GOOD) == []


@pytest.mark.parametrize(
    ("candidate", "part"),
    [
        (replace(GOOD, identities=39), "39 people are fewer than 40"),
        (replace(GOOD, held_out=14), "14 people held out"),
        (replace(GOOD, shared_with_training=1), "in training and in test"),
        (replace(GOOD, auc=0.749), "AUC of 0.749"),
        (replace(GOOD, auc_interval=None), "no interval"),
        (replace(GOOD, auc_interval=Interval(0.65, 0.8, 0.95, 15, 1000)), "down to 0.650"),
        (replace(GOOD, size_bytes=1_000_001), "1,000,001 bytes"),
        (replace(GOOD, unlicensed_sources=("faces",)), "faces"),
    ],
)
def test_head_below_the_bar_does_not_ship(candidate: StarterCandidate, part: str) -> None:
    shortcomings = list_shortcomings(candidate)
    assert len(shortcomings) == 1
    assert part in shortcomings[0]
