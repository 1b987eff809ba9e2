"""Tables of ``cinemill evaluate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cinemill.cli.console import console, make_table, print_line

if TYPE_CHECKING:
    from cinemill.capabilities.search.evaluation.metrics.comparison import Difference, Ratio
    from cinemill.capabilities.search.evaluation.metrics.intervals import Interval
    from cinemill.capabilities.search.evaluation.metrics.report import EvaluationReport, Figure
    from cinemill.capabilities.search.evaluation.running.evaluation import RetrievalEvaluation

NDCG = "ndcg_at_10"
_SUMMARY = (NDCG, "recall_at_1", "recall_at_5", "recall_at_10", "mrr")


def print_retrieval(title: str, evaluation: RetrievalEvaluation) -> None:
    """Print rankings by group, the other figures of all questions, and abstention."""
    names = [*evaluation.rankings]
    table = make_table("!nDCG@10", ">questions", *(f">{name}" for name in names), ">over best")
    for group, difference in evaluation.differences.items():
        figures = [evaluation.rankings[name].groups[group][NDCG] for name in names]
        cells = [format_figure(one) for one in figures]
        table.add_row(group, str(figures[0].count), *cells, format_difference(difference))
    _print(f"Rankings: {title}", table)
    summary = make_table("!all", *(f">{name}" for name in names))
    for key in _SUMMARY:
        cells = [format_figure(evaluation.rankings[name].groups["all"][key]) for name in names]
        summary.add_row(key, *cells)
    _print(f"All questions: {title}", summary)
    print_report(f"Abstention: {title}", evaluation.abstention)


def print_report(title: str, report: EvaluationReport) -> None:
    """Print a table with a row for each group and a column for each figure."""
    names = list(dict.fromkeys(name for figures in report.groups.values() for name in figures))
    table = make_table("!group", *(f">{name}" for name in names))
    for group, figures in report.groups.items():
        cells = [_format_cell(name, figures.get(name)) for name in names]
        table.add_row(group, *cells)
    _print(title, table)


def print_ratio(split: str, ratio: Ratio) -> None:
    """Print nDCG as heard over nDCG of the true transcript."""
    interval = format_interval(ratio.interval)
    print_line(f"nDCG@10 as heard over true transcript, {split}: {ratio.value:.3f}{interval}")


def format_figure(figure: Figure) -> str:
    """Return a mean with its interval: ``0.984 (0.97–0.99)``."""
    return f"{figure.value:.3f}{format_interval(figure.interval)}"


def format_difference(difference: Difference) -> str:
    """Return a difference in points, with what it is from: ``+0.9 (text)``."""
    return f"{100 * difference.value:+.1f} ({difference.best_other})"


def format_interval(interval: Interval | None) -> str:
    """Return the bounds of an interval in parentheses; nothing where there is none."""
    return "" if interval is None else f" ({interval.lower:.2f}–{interval.upper:.2f})"


def _format_cell(name: str, figure: Figure | None) -> str:
    if figure is None:
        return ""
    if name.endswith("_ms"):
        return f"{figure.value:.0f} of {figure.count}"
    return f"{format_figure(figure)} of {figure.count}"


def _print(title: str, table: object) -> None:
    print_line(f"\n{title}")
    console().print(table)
