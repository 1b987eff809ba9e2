"""What a verdict rests on, and what stands apart from it: detector, origin, reviews, limits."""

from __future__ import annotations

from collections.abc import Iterator

from cinemill.capabilities.detection.analysis_report.figures import (
    format_moment,
    format_percent,
    format_time,
)
from cinemill.capabilities.detection.analysis_report.parts import (
    facts,
    hashes,
    paragraph,
    prose,
    section,
    wide,
)
from cinemill.capabilities.detection.analysis_report.records import (
    FORMAT_VERSION,
    AnalysisReport,
)
from cinemill.capabilities.detection.analysis_report.statements import (
    NO_ENCODING,
    NO_PROVENANCE,
    SEPARATE,
    list_limits,
    name_verdict,
)
from cinemill.capabilities.detection.html_page import (
    escape_text,
    isolate_text,
    write_list,
    write_table,
)
from cinemill.capabilities.detection.results import CalibrationResult, MemberResult
from cinemill.capabilities.detection.verdict.counts import count, count_people
from cinemill.core.origin.forensics import LIMITS as ENCODING_LIMITS
from cinemill.core.origin.forensics import ForensicsReport, ForensicsState
from cinemill.core.origin.provenance import ProvenanceReport
from cinemill.storage.analyses.records import Review, ReviewAction

MOST_FINDINGS = 40
MOST_ACTIONS = 20
MOST_DATASETS = 12
LONGEST_NAME = 300
NO_REVIEW = "Nobody has reviewed this analysis."
_WEIGHTS = {
    "settings": "a person set them",
    "training": "fitted to the training data",
    "default": "the defaults",
}

_ACTIONS = {
    ReviewAction.FLAG: "asked for a review",
    ReviewAction.ACCEPT: "agreed",
    ReviewAction.OVERRIDE: "decided otherwise",
}


def write_detector(report: AnalysisReport) -> str:
    """Return the models with their weights, and the data that they were trained and tested on."""
    details = report.details
    if details is None or not details.members:
        return ""
    weights = _WEIGHTS.get(details.weights_from, details.weights_from)
    return section(
        "The detector and its data",
        *(_write_member(one) for one in details.members),
        paragraph(f"Weights of the members: {weights}.", "note"),
        "<h3>Calibration</h3>",
        _write_calibration(details.calibration)
        if details.calibration
        else paragraph("None: nobody knows how often this detector errs."),
    )


def _write_member(member: MemberResult) -> str:
    title = f"{member.name}, weight {member.weight:.2f}"
    if member.is_missing:
        return paragraph(f"{title}: missing, and not part of this score.")
    training = member.training
    rows = [
        ("Head", f"{member.head} ({member.grade})"),
        ("Trained on", _describe_data(member)),
        ("Method", training.method if training else ""),
        ("Measured on held-out data", _describe_metrics(member)),
        ("Says alone", f"logit {member.logit:.2f}" if member.logit is not None else ""),
        (
            "Distance from its training data",
            f"{member.distance:.2f} (about 1 for data like it)" if member.distance else "",
        ),
        ("Model", member.model),
        ("Preprocessing", member.preprocessing),
    ]
    digests = [("Head's digest", member.digest), ("Model's revision", member.model_revision)]
    return f"<div><h3>{escape_text(title)}</h3>{facts(rows)}{hashes(digests)}</div>"


def _describe_data(member: MemberResult) -> str:
    datasets = member.training.datasets if member.training else ()
    named = [
        f"{one.name} ({count(one.identities, 'person', 'people')}, {count(one.videos, 'video')}, "
        f"licence {one.licence})"
        for one in datasets[:MOST_DATASETS]
    ]
    if len(datasets) > len(named):
        named.append(f"and {len(datasets) - len(named)} more")
    return "; ".join(named) or "not stated"


def _describe_metrics(member: MemberResult) -> str:
    metrics = member.training.metrics if member.training else {}
    return ", ".join(f"{name} {value:.3g}" for name, value in list(metrics.items())[:MOST_DATASETS])


def _write_calibration(one: CalibrationResult) -> str:
    rows = [
        ("Data", one.data),
        (
            "Unmanipulated videos",
            _count_videos(one.unmanipulated_videos, one.unmanipulated_groups),
        ),
        ("Manipulated videos", _count_videos(one.manipulated_videos, one.manipulated_groups)),
        (
            "False accusations promised",
            f"at most {format_percent(one.nominal_false_positive_rate)} of unmanipulated videos",
        ),
        (
            "Misses promised",
            f"at most {format_percent(one.nominal_miss_rate)} of manipulated videos",
        ),
        ("Flagged above", _describe_threshold(one.flag_score)),
        ("Cleared below", _describe_threshold(one.clear_score)),
    ]
    return facts(rows)


def _count_videos(videos: int, groups: int) -> str:
    return f"{count(videos, 'video')} of {count_people(groups)}"


def _describe_threshold(score: float | None) -> str:
    return "never: there are too few calibration videos" if score is None else f"score {score:.3f}"


def write_origin(report: AnalysisReport) -> str:
    """Return content credentials and traces of encoding, which never enter the score."""
    if report.asset is None:
        return ""
    credentials = _write_provenance(report.provenance)
    encoding = _write_encoding(report.encoding)
    return section(
        "Apart from the score",
        paragraph(SEPARATE),
        f'<div class="apart"><h3>Content credentials (C2PA)</h3>{credentials}</div>',
        f'<div class="apart"><h3>Traces of encoding</h3>{encoding}</div>',
    )


def _write_provenance(one: ProvenanceReport | None) -> str:
    if one is None:
        return paragraph(NO_PROVENANCE)
    signer = one.signer
    rows = [
        ("State", one.state.value),
        ("Signer", signer.name if signer else ""),
        ("Issuer", signer.issuer if signer else ""),
        ("Signed at", signer.signed_at if signer else ""),
        ("Created by, by its own account", one.claim_generator),
        ("Title", one.title),
        ("Read with", one.reader),
    ]
    actions = [
        (action.name, action.when, action.software, action.source_type)
        for action in one.actions[:MOST_ACTIONS]
    ]
    problems = [f"{one.code}: {one.explanation}" for one in one.problems[:MOST_ACTIONS]]
    return "".join(
        (
            *(paragraph(sentence) for sentence in one.list_sentences()),
            facts(rows),
            wide(
                write_table(
                    "Stated by the signer", ("Action", "When", "Program", "Source"), actions
                )
            ),
            write_list(problems) if problems else "",
        )
    )


def _write_encoding(one: ForensicsReport | None) -> str:
    if one is None:
        return paragraph(NO_ENCODING)
    if one.state is not ForensicsState.EXAMINED:
        return paragraph(f"The encoding was not examined. {one.reason}")
    rows = [
        (
            "–" if finding.time_ms is None else format_time(finding.time_ms),
            finding.strength.value,
            finding.sentence,
        )
        for finding in one.findings[:MOST_FINDINGS]
    ]
    table = write_table("", ("Time", "Strength", "Observation"), rows)
    left_out = len(one.findings) - len(rows)
    return "".join(
        (
            paragraph(f"{count(one.frames, 'frame')} of {one.codec} were examined."),
            wide(table) or paragraph("No trace was found."),
            paragraph(f"{left_out} more are left out.") if left_out > 0 else "",
            write_list(f"Not examined. {gap}" for gap in one.not_examined),
            paragraph(ENCODING_LIMITS, "note"),
        )
    )


def write_reviews(report: AnalysisReport) -> str:
    """Return the audit trail, oldest first."""
    entries = "".join(_write_review(one) for one in report.reviews)
    about = "Oldest first. No entry is ever changed." if entries else NO_REVIEW
    return section("Reviews by people", paragraph(about, "note"), entries)


def _write_review(one: Review) -> str:
    who = isolate_text(one.reviewer, most=LONGEST_NAME)
    verdict = f": {name_verdict(one.verdict)}" if one.verdict else ""
    did = escape_text(f"{_ACTIONS[one.action]}{verdict}")
    when = f"{format_moment(one.created_at)}. The model said: {name_verdict(one.model_verdict)}."
    return (
        f'<div class="entry"><p><strong>{who} {did}</strong></p>{prose(one.reason)}'
        f"{paragraph(when, 'note')}</div>"
    )


def write_limits(report: AnalysisReport) -> str:
    """Return what a reader must know before relying on the report."""
    limits = list_limits(report)
    return section("Limits", write_list(limits)) if limits else ""


def write_versions(report: AnalysisReport) -> str:
    """Return the versions of everything that had a part in the verdict."""
    versions = report.result.versions if report.result else {}
    rows = [
        ("Cinemill", report.software_version),
        ("Format of this report", str(FORMAT_VERSION)),
        *_flatten(versions),
    ]
    return section("Versions", hashes(rows))


def _flatten(versions: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(versions, dict):
        for key, value in versions.items():
            yield from _flatten(value, f"{name} {key}".strip())
    else:
        yield name, str(versions)
