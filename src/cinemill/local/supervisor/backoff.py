"""The delay before a service that ended is started again."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Backoff:
    """Exponential backoff with jitter: delays grow from ``first_seconds`` to ``longest_seconds``.

    A service that ran for ``stable_seconds`` starts with the first delay again. After
    ``loop_failures`` failures in a row it is reported as a crash loop.
    """

    first_seconds: float = 0.25
    factor: float = 2.0
    longest_seconds: float = 30.0
    jitter: float = 0.2
    stable_seconds: float = 30.0
    loop_failures: int = 5

    def plan_delay(self, failures: int, random: Random) -> float:
        """Return the seconds to wait after so many failures in a row (from 1), ± ``jitter``."""
        # The exponent is bounded first: a service that fails for a week must not overflow it.
        growth = self.factor ** min(max(failures, 1) - 1, 64)
        planned = min(self.first_seconds * growth, self.longest_seconds)
        return planned * random.uniform(1 - self.jitter, 1 + self.jitter)

    def count_failures(self, before: int, ran_seconds: float) -> int:
        """Return the number of failures in a row after a run of ``ran_seconds`` has failed."""
        return 1 if ran_seconds >= self.stable_seconds else before + 1

    def is_crash_loop(self, failures: int) -> bool:
        return failures >= self.loop_failures
