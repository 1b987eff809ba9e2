"""A measured figure with its target, and the table of them."""

from __future__ import annotations

import resource
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class BenchRow:
    """``value`` is at or under ``target``, or over it for the figures that say so."""

    name: str
    value: float | None
    """None where what it is measured on is not at hand; ``detail`` says what."""
    target: float | None
    unit: str = ""
    detail: str = ""
    more_is_better: bool = False

    @property
    def is_reached(self) -> bool:
        if self.target is None or self.value is None:
            return self.value is not None
        return self.value >= self.target if self.more_is_better else self.value <= self.target


def print_table(rows: Sequence[BenchRow]) -> None:
    table = Table(title="Cinemill figures")
    for heading in ("figure", "measured", "target", "", "how"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        bound = "≥" if row.more_is_better else "≤"
        target = "" if row.target is None else f"{bound} {row.target:g} {row.unit}"
        shown = "missing" if row.value is None else f"{row.value:.4g} {row.unit}"
        has_verdict = row.target is not None and row.value is not None
        verdict = ("reached" if row.is_reached else "MISSED") if has_verdict else ""
        table.add_row(row.name, shown, target, verdict, row.detail)
    Console().print(table)


def cpu_seconds_of(work: Callable[[], object]) -> float:
    """Return the processor time of ``work``, including its finished children."""
    before = _spent_seconds()
    work()
    return _spent_seconds() - before


def alternate(
    left: Callable[[], object], right: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Return median processor seconds of each, run in turn so that a busy machine disturbs both."""
    pairs = [(cpu_seconds_of(left), cpu_seconds_of(right)) for _ in range(rounds)]
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)


def _spent_seconds() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)
