"""One job whose steps a test runs itself, in an order of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from tests.integration.worker.conftest import Stack

from cinemill.core.job import DEFAULT_OWNER, ClaimedRun, StepSpec
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.resources import StepResources
from cinemill.storage.findings.gaps import list_gaps
from cinemill.worker.handlers import build_resources

Handler = Callable[[StepResources, StepContext], StepOutcome]


@dataclass
class Walk:
    """A job about a stored video; each step is given the results of all those before."""

    stack: Stack
    folder: Path
    asset_id: str
    inputs: dict[str, dict[str, Any]]
    job_id: str = field(default_factory=lambda: str(uuid4()))

    def run(self, handler: Handler, spec: StepSpec) -> Sequence[StepSpec]:
        """Run a step and store what it writes; returns the steps that it adds."""
        models = self.stack.home / "models"
        resources = replace(build_resources(self.stack.context), models_dir=models)
        run = ClaimedRun(
            *(str(uuid4()), "token", self.job_id, "process_video", f"{self.job_id}/{spec.name}"),
            *(spec.name, spec.kind, DEFAULT_OWNER),
            asset_id=self.asset_id,
            attempt=1,
            params=spec.params,
            job_params={"profile": "standard"},
            inputs=self.inputs,
        )
        folder = self.folder / run.id
        folder.mkdir()
        step = StepContext(run, folder, lambda *_: None, lambda: None, memory_bytes=4 << 30)
        outcome = handler(resources, step)
        with self.stack.database.begin() as connection:
            outcome.write(connection)
        self.inputs = {**self.inputs, spec.name: dict(outcome.result)}
        return outcome.steps

    def list_gaps(self) -> dict[str, str]:
        """Return the codes of the video's gaps by their subjects."""
        with self.stack.database.begin() as connection:
            return {gap.subject: gap.code for gap in list_gaps(connection, self.asset_id)}

    def read(self, query: str) -> list[Any]:
        with self.stack.database.begin() as connection:
            return list(connection.execute(text(query), {"id": self.asset_id}).scalars())


def read_probe(stack: Stack, asset_id: str) -> dict[str, Any]:
    """Return what a job that prepared the video found out by its probe."""
    query = text(
        "SELECT step.result FROM step JOIN job ON job.id = step.job_id "
        "WHERE step.name = 'probe' AND job.asset_id = :id LIMIT 1"
    )
    with stack.database.begin() as connection:
        probe: dict[str, Any] = connection.execute(query, {"id": asset_id}).scalar_one()
    return probe
