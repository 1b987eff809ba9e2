"""What a head must reach before it is shipped with the product."""

from __future__ import annotations

from dataclasses import dataclass

from cinemill.capabilities.detection.evaluation.bootstrap import Interval

LEAST_IDENTITIES = 40
LEAST_HELD_OUT = 15
LEAST_AUC = 0.75
LEAST_LOWER_END = 0.65
LARGEST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class StarterCandidate:
    """A head that was trained on faces whose licence allows it."""

    identities: int
    """All people, those held out included."""
    held_out: int
    shared_with_training: int
    """Of the people and footage held out: seen in training as well."""
    auc: float
    """On blends of people held out."""
    auc_interval: Interval | None
    size_bytes: int
    unlicensed_sources: tuple[str, ...] = ()


def list_shortcomings(candidate: StarterCandidate) -> list[str]:
    """Return sentences that say why a head does not ship; none if it does."""
    one = candidate
    lower = one.auc_interval.lower if one.auc_interval else None
    unlicensed = ", ".join(one.unlicensed_sources)
    failed = {
        f"{one.identities} people are fewer than {LEAST_IDENTITIES}.": (
            one.identities < LEAST_IDENTITIES
        ),
        f"{one.held_out} people held out are fewer than {LEAST_HELD_OUT}.": (
            one.held_out < LEAST_HELD_OUT
        ),
        f"People or sources in training and in test: {one.shared_with_training}.": (
            one.shared_with_training > 0
        ),
        f"The AUC of {one.auc:.3f} is below {LEAST_AUC}.": one.auc < LEAST_AUC,
        "There is no interval for the AUC.": lower is None,
        f"The interval of the AUC reaches down to {lower or 0:.3f}.": (
            lower is not None and lower <= LEAST_LOWER_END
        ),
        f"{one.size_bytes:,} bytes are more than {LARGEST_BYTES:,}.": (
            one.size_bytes > LARGEST_BYTES
        ),
        f"No licence is stated for {unlicensed}.": bool(unlicensed),
    }
    return [sentence for sentence, is_failed in failed.items() if is_failed]
