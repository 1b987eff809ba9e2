"""The final table: faults, invariants and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.faults.context import FaultContext
from tests.faults.faults import FAULTS, Size
from tests.faults.invariants import RESUMED, count_runs

PROBLEMS_SHOWN = 12
PERCENT_HIGH = 0.95


@dataclass
class Outcome:
    """The outcome of a drill. Figures are (name, count, median, 95th percentile, maximum)."""

    played: dict[str, int]
    skipped: dict[str, str]
    found: dict[str, list[str]]
    figures: list[tuple[str, int, float, float, float]]
    counts: dict[str, int]
    reached: dict[str, tuple[str, str, bool]]
    """Figures by name: (required, measured, whether it is reached)."""
    seconds: float = 0.0
    replay: str = ""
    history: str = ""

    @classmethod
    def of(
        cls,
        context: FaultContext,
        found: dict[str, list[str]],
        played: dict[str, int],
        size: Size,
        only: Sequence[str],
    ) -> Outcome:
        runs = count_runs(context)
        counts = {
            "jobs accepted": len(context.submitter.submissions),
            "worker kills": context.worker_kills,
            **{f"tries {state}": runs[state] for state in sorted(runs)},
        }
        return cls(
            played=played,
            skipped=dict(context.skipped),
            found=found,
            figures=[_summarize(name, values) for name, values in context.figures.items()],
            counts=counts,
            reached=_check_figures(context, size, only),
        )

    @property
    def holds(self) -> bool:
        reached = all(is_reached for _, _, is_reached in self.reached.values())
        return reached and not any(self.found.values())

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "holds": self.holds}


def _check_figures(
    context: FaultContext, size: Size, only: Sequence[str]
) -> dict[str, tuple[str, str, bool]]:
    limit = context.cluster.plan.lease_seconds + 5.0
    slowest = max(context.figures.get(RESUMED, [0.0]))
    reached = {RESUMED: (f"≤ {limit:.0f} s", f"{slowest:.1f} s", slowest <= limit)}
    if not only:
        kills, jobs = context.worker_kills, len(context.submitter.submissions)
        reached["worker kills"] = (f"≥ {size.min_kills}", str(kills), kills >= size.min_kills)
        reached["jobs"] = (f"≥ {size.jobs}", str(jobs), jobs >= size.jobs)
    return reached


def render(outcome: Outcome) -> str:
    lines = ["", "fault                          played", "-" * 50]
    for name in FAULTS:
        if name in outcome.skipped:
            lines.append(f"{name:30} SKIPPED: {outcome.skipped[name]}")
        elif name in outcome.played:
            lines.append(f"{name:30} {outcome.played[name]:6}")
    lines += ["", "invariant                      violations", "-" * 50]
    for name, problems in outcome.found.items():
        lines.append(f"{name:30} {len(problems):6}{'' if problems else '   holds'}")
        lines += [f"    {problem}" for problem in problems[:PROBLEMS_SHOWN]]
    lines += ["", "figure                         reach        measured", "-" * 60]
    for name, (reach, measured, is_reached) in outcome.reached.items():
        lines.append(f"{name:30} {reach:12} {measured:10} {'reached' if is_reached else 'MISSED'}")
    lines += [
        "",
        f"{'seconds, or files':40} {'n':>5} {'median':>8} {'p95':>8} {'max':>8}",
        "-" * 73,
    ]
    for name, count, median, high, greatest in outcome.figures:
        lines.append(f"{name:40} {count:5} {median:8.2f} {high:8.2f} {greatest:8.2f}")
    lines += ["", *(f"{name:40} {count:5}" for name, count in outcome.counts.items())]
    verdict = "ALL INVARIANTS HOLD" if outcome.holds else "BROKEN"
    lines += ["", f"{verdict} after {outcome.seconds:.0f} s"]
    lines += [f"history: {outcome.history}", f"replay:  {outcome.replay}"]
    return "\n".join(lines)


def _summarize(name: str, values: list[float]) -> tuple[str, int, float, float, float]:
    ordered = sorted(values)
    high = ordered[min(len(ordered) - 1, int(len(ordered) * PERCENT_HIGH))]
    return name, len(ordered), ordered[len(ordered) // 2], high, ordered[-1]
