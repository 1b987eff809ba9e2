"""Models at first use: found on this machine, or fetched where the settings allow it."""

from __future__ import annotations

from pathlib import Path

from cinemill.errors import DependencyUnavailable, InputRejected, ToolMissing
from cinemill.inference.models.cards import ModelCard, find_model
from cinemill.inference.models.fetch import fetch_model
from cinemill.inference.models.transfer import Transfer, describe_progress
from cinemill.jobs.step import StepContext
from cinemill.steps.resources import StepResources

FETCH_SHARE = 0.3
"""Share of a step's progress that fetching its model takes."""
RETRY_HINT = "Then retry the job."
"""End of the hint of an error that is over once the model is there."""


def ensure_model(
    resources: StepResources,
    context: StepContext,
    card: ModelCard,
    *,
    begin: float = 0.0,
    share: float = FETCH_SHARE,
) -> float:
    """Make sure that a model is on this machine; download it if it is missing and may be fetched.

    Returns the share of the step's progress that is done then: ``begin``, or with a download
    ``begin + share``. The model's files are checked when it is opened.

    Raises InputRejected that may be retried: ``model_missing``, ``model_damaged``,
    ``model_unavailable``. Raises DiskFull, and what ``should_stop`` returns. No number of attempts
    brings a model that is not allowed or cannot be reached, so the job ends at once.
    """
    folder = resources.models_dir
    # Its files are hashed when it is opened: large ones take seconds.
    if (folder / card.name).is_dir() or (card.path is not None and card.path.is_file()):
        return begin
    try:
        find_model(card, folder)
    except ToolMissing as missing:
        if not resources.fetch_models or card.is_optional:
            raise reject_model(missing) from missing
    else:
        return begin
    fetch_with_progress(folder, context, card, begin=begin, share=share)
    return begin + share


def fetch_with_progress(
    folder: Path, context: StepContext, card: ModelCard, *, begin: float, share: float
) -> Path:
    """Download a model, and report how far it is as the progress of the step.

    Raises InputRejected (``model_unavailable``), which may be retried; DiskFull, and what
    ``should_stop`` returns.
    """

    def report(done_bytes: int, total_bytes: int) -> None:
        part = done_bytes / total_bytes if total_bytes else 0.0
        sentence = describe_progress(card.name, done_bytes, total_bytes)
        context.report(begin + share * min(1.0, part), sentence)

    transfer = Transfer(on_progress=report, should_stop=context.should_stop)
    report(0, card.size_bytes)
    try:
        return fetch_model(card, folder, transfer=transfer)
    except DependencyUnavailable as unavailable:
        raise reject_model(unavailable) from unavailable


def reject_model(error: DependencyUnavailable) -> InputRejected:
    """Return the error that ends the job at once. It can be retried once the model is there."""
    rejected = InputRejected(error.message, code=error.code, hint=f"{error.hint} {RETRY_HINT}")
    rejected.is_retryable = True
    return rejected
