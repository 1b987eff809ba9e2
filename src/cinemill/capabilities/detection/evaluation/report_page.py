"""The printed evaluation: one HTML file that needs nothing else, on screen and on paper."""

from __future__ import annotations

from html import escape

from cinemill.capabilities.detection.evaluation.bootstrap import Interval
from cinemill.capabilities.detection.evaluation.charts import draw_reliability, draw_risk_coverage
from cinemill.capabilities.detection.evaluation.measurement import RankedSet
from cinemill.capabilities.detection.evaluation.report import EvaluationReport, list_caveats
from cinemill.capabilities.detection.html_page import write_html, write_list, write_table

_FIGURES = {
    "auc": "AUC",
    "average_precision": "Average precision",
    "equal_error_rate": "Equal error rate",
    "tpr_at_1_percent_fpr": "Fakes found at 1% false alarms",
    "tpr_at_5_percent_fpr": "Fakes found at 5% false alarms",
}

_STYLE = """
:root { color-scheme: light dark; --line: #999; --ink: #1f5fa8; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; font-weight: 600; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .5rem; text-align: right; }
th:first-child, td:first-child { text-align: left; }
figure { display: inline-block; margin: 1rem 1rem 0 0; }
svg text { font-size: 11px; fill: currentColor; }
.caveats { border-left: 4px solid #b3541e; padding-left: 1rem; }
.grid { stroke: var(--line); stroke-width: .5; opacity: .5; }
.ideal { stroke: var(--line); stroke-dasharray: 4 3; }
.line { stroke: var(--ink); stroke-width: 2; fill: none; } .mark { fill: var(--ink); }
.range { stroke: var(--ink); stroke-width: 1.5; }
.hash { font-family: ui-monospace, monospace; font-size: .8rem; overflow-wrap: anywhere; }
@media print {
  body { margin: 0; max-width: none; font-size: 11pt; }
  h2, figure, table { break-inside: avoid; }
  :root { color-scheme: light; } }
"""


def write_page(report: EvaluationReport) -> str:
    """Return the report as HTML. Names from data sets and settings are escaped."""
    title = f"Evaluation of {report.head.name}"
    parts = [
        _introduction(report),
        "<h2>Before you quote a figure</h2>",
        write_list(list_caveats(report), css="caveats"),
        "<h2>How well fakes are found</h2>",
        _figures_table(report),
        _methods_table(report),
        "<h2>What a probability means</h2>",
        _charts(report),
        _thresholds_table(report),
        _robustness_table(report),
        _remainder(report),
    ]
    return write_html(title, f"<h1>{escape(title)}</h1>{''.join(parts)}", _STYLE)


def _introduction(report: EvaluationReport) -> str:
    head = report.head
    rows = [
        ("Head", f'<span class="hash">{escape(head.sha256)}</span>'),
        ("Trained on", escape(head.trained_on)),
        ("Licences of its data", escape(", ".join(head.licences) or "not stated")),
        ("Models", escape(", ".join(head.models))),
        ("Evaluated on", escape(", ".join(report.datasets))),
        ("Created", f"{escape(report.created_at)}, seed {report.seed}"),
        ("Command", f"<code>{escape(report.command)}</code>"),
    ]
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows) + "</dl>"


def _figures_table(report: EvaluationReport) -> str:
    frames, videos = report.measurement.frames, report.measurement.videos
    rows = [
        (label, _with_interval(videos, name), _with_interval(frames, name))
        for name, label in _FIGURES.items()
    ]
    rows.append(
        ("Real and fake", f"{videos.reals} + {videos.fakes}", f"{frames.reals} + {frames.fakes}")
    )
    rows.append(("People", str(videos.identities), str(frames.identities)))
    return write_table("With 95% intervals over people", ("", "Videos", "Frames"), rows)


def _methods_table(report: EvaluationReport) -> str:
    rows = [
        (name, _with_interval(one, "auc"), _with_interval(one, "equal_error_rate"), str(one.fakes))
        for name, one in report.measurement.by_method.items()
    ]
    return write_table(
        "By method", ("Data set and method", "AUC", "Equal error rate", "Fakes"), rows
    )


def _thresholds_table(report: EvaluationReport) -> str:
    rows = [
        (f"{one.nominal_fpr:.0%}", f"{one.realised_fpr:.1%}", f"{one.tpr:.1%}")
        for one in report.measurement.thresholds
    ]
    return write_table(
        "Thresholds", ("False alarms promised", "False alarms here", "Fakes found"), rows
    )


def _robustness_table(report: EvaluationReport) -> str:
    rows = [
        (
            one.condition,
            f"{one.reals_flagged} of {one.reals}",
            f"{one.fakes_flagged} of {one.fakes}",
            str(one.abstained),
            "–" if one.auc is None else f"{one.auc:.3f}",
        )
        for one in report.robustness
    ]
    columns = ("Re-encoded as", "Reals flagged", "Fakes flagged", "No verdict", "AUC")
    table = write_table("", columns, rows)
    return f"<h2>After re-encoding</h2>{table}" if table else ""


def _charts(report: EvaluationReport) -> str:
    reliability, curve = report.measurement.reliability, report.measurement.risk_coverage
    return (
        f"<figure>{draw_reliability(reliability)}<figcaption>Expected calibration error "
        f"{reliability.expected_error:.3f}</figcaption></figure>"
        f"<figure>{draw_risk_coverage(curve)}<figcaption>Area under risk and coverage "
        f"{curve.area:.3f}</figcaption></figure>"
        "<p>Both count real and fake videos as if there were as many of the one as of the other: "
        "how many of each were collected changes neither.</p>"
    )


def _remainder(report: EvaluationReport) -> str:
    controls = [(one.control, f"{one.auc:.3f}") for one in report.controls]
    unscored = [(reason, str(count)) for reason, count in sorted(report.unscored.items())]
    leaks = [
        f"{one.kind.value}: {one.train.dataset}/{one.train.name} and "
        f"{one.test.dataset}/{one.test.name} ({one.shared})"
        for one in report.leaks[:50]
    ]
    return (
        write_table("Controls: 0.5 is right, but for placement_only", ("Pairs", "AUC"), controls)
        + write_table("Without a score", ("Reason", "Count"), unscored)
        + ("<h2>Shared by training and test</h2>" + write_list(leaks) if leaks else "")
        + ("<h2>About the data</h2>" + write_list(report.notes) if report.notes else "")
    )


def _with_interval(ranked: RankedSet, name: str) -> str:
    value: float = getattr(ranked.figures, name)
    interval = ranked.intervals.get(name) if ranked.intervals else None
    return f"{value:.3f}{_format_interval(interval)}"


def _format_interval(interval: Interval | None) -> str:
    return f" ({interval.lower:.3f}–{interval.upper:.3f})" if interval else ""
