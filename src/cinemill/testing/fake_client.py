"""The client without a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

from cinemill import __version__
from cinemill.api.models.dead_letters import DeadStepDocument
from cinemill.api.models.jobs import CancelRequest, CreateJobRequest
from cinemill.api.models.tasks import TaskResult as ServerResult
from cinemill.api.models.tasks import TaskState
from cinemill.api.upload.options import parse_options
from cinemill.catalog import CATALOG
from cinemill.client.connection import drop_none
from cinemill.client.models import (
    DeadDocument,
    DeadMessageDocument,
    HealthDocument,
    JobDocument,
    ProgressEvent,
    StatsDocument,
    TaskResult,
    TaskStatus,
)
from cinemill.client.transfers import OnBytes
from cinemill.core.job import Job, JobState, StepSpec
from cinemill.core.media import ArtifactKind
from cinemill.core.text.file_names import clean_filename
from cinemill.errors import NotFound
from cinemill.media.probe.sniff import HEAD_BYTES, sniff
from cinemill.testing.answers import (
    as_client_errors,
    check_key,
    check_limit,
    choose_priority,
    describe_statistics,
    details_of,
    document_of,
    parameter_invalid,
    read_body,
    status_of,
)
from cinemill.testing.fake_analyses import FakeAnalysisCalls
from cinemill.testing.fake_asset_calls import FakeAssetCalls
from cinemill.testing.fake_assets import FakeAssets
from cinemill.testing.fake_contents import FakeContentCalls
from cinemill.testing.fake_jobs import FakeJob, FakeJobs
from cinemill.testing.fake_pictures import FakePictureCalls
from cinemill.testing.fake_searches import FakeSearchCalls
from cinemill.testing.outcomes import Outcome

Script = Outcome | Callable[[JobDocument], Outcome]
"""How a job goes; a function is called with the job when it is accepted."""


class FakeClient(
    FakeAssetCalls, FakeAnalysisCalls, FakeSearchCalls, FakePictureCalls, FakeContentCalls
):
    """A client whose installation is in memory.

    A job moves on when it is looked at by itself (``job``, ``job_status``, ``task``, ``result``,
    ``watch``): from pending over the events of its outcome to its end. Lists leave jobs as they
    are. Raises the errors of the real client.
    """

    def __init__(
        self,
        *,
        outcomes: Mapping[str, Script] | None = None,
        kinds: Collection[str] = (),
    ) -> None:
        """``outcomes`` say by kind how jobs go; others complete with an empty result.

        ``kinds`` are kinds of job that are not installed where the tests run; their parameters are
        accepted as they are.
        """
        self._outcomes = dict(outcomes or {})
        self._kinds = frozenset(kinds)
        self._jobs = FakeJobs()
        self._conversations = {}
        self._assets = FakeAssets()
        self._reviews = []

    @classmethod
    def from_home(cls, home: Path | None = None) -> Self:
        """Return a new fake, whatever the environment names."""
        return cls()

    @property
    def base_url(self) -> str:
        return "http://cinemill.test"

    @property
    def public_url(self) -> str:
        return self.base_url

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def finish(self, job_id: str, outcome: Outcome | None = None) -> JobDocument:
        """End a job, held or not, with this outcome or its own.

        Raises ValueError where the outcome is :func:`hold`, which has no end.
        """
        if outcome is not None and outcome.is_held:
            raise ValueError("A held outcome has no end; give another one, or none.")
        with as_client_errors():
            fake = self._jobs.find(job_id)
        own = fake.outcome
        fake.outcome = outcome or Outcome(own.result, own.failure, (), own.files)
        while not fake.job.state.is_final:
            self._advance(fake)
        return document_of(fake.job)

    def upload(
        self,
        path: str | Path,
        *,
        kind: str | None = None,
        params: Mapping[str, object] | None = None,
        priority: int | None = None,
        thumbnail_seconds: float | None = None,
        collection: str | None = None,
        idempotency_key: str | None = None,
        on_bytes: OnBytes | None = None,
    ) -> JobDocument:
        path = Path(path)
        content = path.read_bytes()
        if on_bytes is not None:
            on_bytes(len(content), len(content))
        fields = drop_none(
            kind=kind,
            params=json.dumps(params) if params else None,
            priority=priority,
            thumbnail_seconds=thumbnail_seconds,
            collection=collection,
        )
        with as_client_errors():
            written = {name: str(value) for name, value in fields.items()}
            options = parse_options(written, plan=self._plan)
            sniff(content[:HEAD_BYTES])
            name = clean_filename(path.name)
            asset = self._assets.register(name, content, self._jobs.tick())
        created = self._create(
            options.kind, options.job_params, asset.id, options.priority, idempotency_key, name
        )
        if options.collection is not None:
            self._assets.move(asset.id, options.collection)
        return document_of(created)

    def submit(
        self,
        kind: str,
        params: Mapping[str, object],
        *,
        priority: int | None = None,
        idempotency_key: str | None = None,
    ) -> JobDocument:
        new = read_body(
            CreateJobRequest, {"kind": kind, "params": dict(params), "priority": priority}
        )
        return document_of(self._create(new.kind, new.params, None, new.priority, idempotency_key))

    def create_job(
        self,
        asset_id: str,
        kind: str,
        *,
        params: Mapping[str, object] | None = None,
        priority: int | None = None,
    ) -> JobDocument:
        body = {"kind": kind, "params": dict(params or {}), "priority": priority}
        new = read_body(CreateJobRequest, body)
        with as_client_errors():
            self._assets.find_lasting(asset_id)
        return document_of(self._create(new.kind, new.params, asset_id, new.priority, None))

    def job(self, job_id: str) -> JobDocument:
        return details_of(self._look(job_id).job)

    def job_status(self, job_id: str) -> JobDocument:
        return status_of(self._look(job_id))

    def task(self, task_id: str) -> TaskStatus:
        return cast("TaskStatus", TaskState.from_job(self._look(task_id).job).model_dump())

    def result(self, task_id: str) -> TaskResult:
        return cast("TaskResult", ServerResult.from_job(self._look(task_id).job).model_dump())

    def watch(self, job_id: str, *, last_event_id: str = "") -> Iterator[ProgressEvent]:
        """Yield the job's events to its end.

        Raises RuntimeError where the job is held: nothing but the test itself could end it.
        """
        with as_client_errors():
            fake = self._jobs.find(job_id)
        ids = [event.id for event in fake.events]
        position = ids.index(last_event_id) + 1 if last_event_id in ids else 0
        while True:
            for event in fake.events[position:]:
                position += 1
                yield event
                if event.is_final:
                    return
            self._advance(fake)
            if position == len(fake.events):
                raise RuntimeError(f"Job {job_id} is held; end it with FakeClient.finish.")

    def jobs(
        self,
        *,
        status: str | None = None,
        kind: str | None = None,
        asset_id: str | None = None,
        before: str | None = None,
        id_prefix: str | None = None,
        limit: int = 50,
    ) -> list[JobDocument]:
        check_limit(limit)
        if status is not None and status not in set(JobState):
            raise parameter_invalid("status", f"must be one of {', '.join(JobState)}")
        found = list(self._jobs.listed())
        if before is not None:
            ids = [job.id for job in found]
            found = found[ids.index(before) + 1 :] if before in ids else []
        wanted = {"state": status, "kind": kind, "asset_id": asset_id}
        page = [
            job
            for job in found
            if all(value in (None, getattr(job, name)) for name, value in wanted.items())
            and job.id.startswith(id_prefix or "")
        ]
        return [document_of(job) for job in page[:limit]]

    def cancel(self, job_id: str, reason: str = "") -> JobDocument:
        read_body(CancelRequest, {"reason": reason})
        with as_client_errors():
            return document_of(self._jobs.cancel(job_id, reason))

    def retry(self, job_id: str) -> JobDocument:
        with as_client_errors():
            return document_of(self._jobs.retry(job_id))

    def retry_failed(self, *, kind: str | None = None, code: str | None = None) -> dict[str, Any]:
        failed = [
            job.id
            for job in self._jobs.listed()
            if job.failure is not None
            and kind in (None, job.kind)
            and code in (None, job.failure.code)
        ]
        for job_id in failed:
            self._jobs.retry(job_id)
        return {"retried": len(failed)}

    def delete(self, job_id: str) -> None:
        with as_client_errors():
            self._jobs.remove(job_id)

    def cleanup(self, task_id: str) -> dict[str, Any]:
        with as_client_errors():
            asset_id = self._jobs.find(task_id).job.asset_id
            self._jobs.remove(task_id)
        if asset_id is None or any(job.asset_id == asset_id for job in self._jobs.listed()):
            return {"message": "The task was deleted."}
        self._assets.remove(asset_id)
        return {"message": "The task, its video and all derived files were deleted."}

    def dead(self) -> list[DeadDocument]:
        steps = [DeadStepDocument.from_step(step) for step in self._jobs.dead_steps()]
        return [cast("DeadDocument", step.model_dump(mode="json")) for step in steps]

    def redrive(self, step_id: str) -> JobDocument:
        for step in self._jobs.dead_steps():
            if step.step_id == step_id:
                return self.retry(step.job_id)
        with as_client_errors():
            raise NotFound(
                f"There is no dead step {step_id}.",
                code="dead_step_not_found",
                hint="List the dead letters; it may have been redriven already.",
            )

    def dead_messages(self, *, limit: int | None = None) -> list[DeadMessageDocument]:
        """List none: a fake has no broker that could hold a message."""
        check_limit(limit)
        return []

    def drop_dead_message(self, message_id: str) -> None:
        with as_client_errors():
            raise NotFound(
                f"There is no dead message {message_id}.",
                code="dead_message_not_found",
                hint="List the dead letters; it may have been dropped already.",
            )

    def download(
        self,
        asset_id: str,
        kind: str,
        to: str | Path,
        *,
        variant: str | None = None,
        on_bytes: OnBytes | None = None,
    ) -> Path:
        """Write a file of an asset to a path or into a folder; ``variant`` is ignored."""
        if kind not in set(ArtifactKind):
            raise parameter_invalid("kind", "is no kind of artifact")
        with as_client_errors():
            file = self._assets.read(asset_id, ArtifactKind(kind))
        path = Path(to)
        path = path / file.filename if path.is_dir() else path
        path.write_bytes(file.content)
        if on_bytes is not None:
            on_bytes(len(file.content), len(file.content))
        return path

    def stats(self) -> StatsDocument:
        return describe_statistics(list(self._jobs.listed()))

    def health(self) -> HealthDocument:
        parts = ("status", "database", "redis", "messages", "workers", "relay")
        found = {**dict.fromkeys(parts, "ok"), "hardware": "none", "version": __version__}
        return cast("HealthDocument", found)

    def _create(
        self,
        kind: str,
        params: Mapping[str, object],
        asset_id: str | None,
        priority: int | None,
        key: str | None,
        filename: str = "",
    ) -> Job:
        values = dict(params)
        check_key(key)
        with as_client_errors():
            steps = self._plan(kind, values, asset_id)
            fake = self._jobs.add(
                kind,
                values,
                asset_id=asset_id,
                priority=choose_priority(priority, steps),
                steps=steps,
                outcome=Outcome(),
                key=key or None,
                filename=filename,
            )
        script = self._outcomes.get(kind, Outcome())
        if len(fake.events) == 1:
            fake.outcome = script if isinstance(script, Outcome) else script(document_of(fake.job))
        return fake.job

    def _plan(
        self, kind: str, params: Mapping[str, object], asset_id: str | None
    ) -> Sequence[StepSpec]:
        if kind in self._kinds and kind not in CATALOG.jobs:
            return [StepSpec(kind, kind)]
        return CATALOG.plan(kind, params, asset_id)

    def _look(self, job_id: str) -> FakeJob:
        """Find a job as it is now, and let it move on for the next look. Raises ClientError."""
        with as_client_errors():
            fake = self._jobs.find(job_id)
        seen = FakeJob(fake.job, fake.steps, fake.outcome, fake.digest)
        self._advance(fake)
        return seen

    def _advance(self, fake: FakeJob) -> None:
        self._jobs.advance(fake)
        job = fake.job
        if job.state is JobState.COMPLETED and job.asset_id is not None:
            for kind, content in fake.outcome.files.items():
                now = self._jobs.tick()
                self._assets.add_file(job.asset_id, ArtifactKind(kind), content, now)
