"""The input and the outcome of a step's handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cinemill.core.job import ClaimedRun, StepSpec
from cinemill.core.parameter_reader import Model, read_stored_parameters
from cinemill.jobs.results import R, ResultOf, read_result
from cinemill.storage.database import Connection


class ProgressCallback(Protocol):
    """Reports how far the step is: ``fraction`` 0–1, and a sentence for a person."""

    def __call__(self, fraction: float, message: str) -> None: ...


def _ignore(_reported: int | str) -> None:
    return None


def _is_first(_error: Exception) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a handler is given of its run: frozen, without access to the engine."""

    run: ClaimedRun
    folder: Path
    """Private and empty, named by the claim's token; removed when the attempt ends."""
    report: ProgressCallback
    should_stop: Callable[[], Exception | None]
    """Call it several times a second. When it returns an error, stop all child processes and raise
    that error."""
    memory_bytes: int
    """The queue's limit for the whole process tree."""
    on_peak_memory: Callable[[int], None] = _ignore
    """Called with the largest resident bytes of each command that the handler ran."""
    on_command: Callable[[str], None] = _ignore
    """Called with what identifies each command that the handler ran and how it ended, where another
    attempt would end alike; with nothing where it may not."""
    is_repeated: Callable[[Exception], bool] = _is_first
    """Returns whether the step's last attempt failed in the same way, so that it is rejected if the
    handler raises this error."""

    def parameters(self, model: type[Model]) -> Model:
        """Return the step's own parameters.

        Raises OutputInvalid where this version cannot read them.
        """
        return read_stored_parameters(model, self.run.params)

    def job_parameters(self, model: type[Model]) -> Model:
        """Return the parameters of the step's job.

        Raises OutputInvalid where this version cannot read them.
        """
        return read_stored_parameters(model, self.run.job_params)

    def result_of(self, key: ResultOf[R]) -> R:
        """Return what an earlier step found.

        Raises OutputInvalid where this version cannot read it, or there is none.
        """
        return read_result(key.type, self.run.inputs.get(key.step))

    def find_result(self, key: ResultOf[R]) -> R | None:
        """Return what an earlier step found; None where the job has no such step."""
        return self.result_of(key) if key.step in self.run.inputs else None

    def results_of(self, key: ResultOf[R]) -> dict[str, R]:
        """Return what all earlier steps found whose names begin so, by their names, in order."""
        names = sorted(name for name in self.run.inputs if name.startswith(key.step))
        return {name: read_result(key.type, self.run.inputs[name]) for name in names}


def _write_nothing(_connection: Connection) -> None:
    return None


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What a handler returns: its result, its writes, and further steps.

    ``result`` is plain JSON. ``write`` runs inside the fenced transaction that ends the step: its
    rows appear with the step's success, or not at all. If it returns a mapping, this is added to
    the result, for what is only known once the rows are written.
    """

    result: Mapping[str, Any] = field(default_factory=dict)
    write: Callable[[Connection], Mapping[str, Any] | None] = _write_nothing
    steps: Sequence[StepSpec] = ()
    """Further steps for the job, put between this one and those that wait for it, where what there
    is to do is only known once the source was examined. Each runs after this one and after those
    of the others that it names; it is given this step's result and what this step was given."""


Handler = Callable[[StepContext], StepOutcome]
"""Raises InputRejected (never retried), any other CinemillError (retried), or what
``should_stop`` returned."""
