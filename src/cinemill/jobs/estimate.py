"""How long it still takes. Pure."""

from __future__ import annotations

from cinemill.core.job import ClaimedRun

LEAST_FRACTION = 0.01
"""Below this an estimate would be noise."""
NEARLY_ALL = 0.8
"""Of what is left of a job: a step that is worth so much ends about when the job does."""


def estimate_seconds_left(elapsed_seconds: float, fraction: float) -> float | None:
    """Seconds left of work that came to ``fraction`` (0–1) so far; None where unknown."""
    if fraction < LEAST_FRACTION:
        return None
    return max(0.0, elapsed_seconds * (1.0 - fraction) / fraction)


def estimate_job_seconds_left(
    run: ClaimedRun, elapsed_seconds: float, fraction: float
) -> float | None:
    """Seconds left of the job of a run that came to ``fraction`` in ``elapsed_seconds``.

    By the run where it is nearly all that is left; else, as of a chunk among many, by how far the
    whole job came since it began.
    """
    if run.progress_share >= NEARLY_ALL * (100.0 - run.progress_base):
        return estimate_seconds_left(elapsed_seconds, fraction)
    done = run.progress_base + run.progress_share * fraction
    return estimate_seconds_left(run.job_seconds + elapsed_seconds, done / 100.0)
