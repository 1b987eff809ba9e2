"""Vectors in Qdrant: filled for each model that searches use, and kept equal to PostgreSQL's.

PostgreSQL notes what changed in the transaction that changes it. Here that is brought to Qdrant: at
the end of each ingestion, and every few minutes, until Qdrant has it. A job that ends in between
leaves nothing behind that searches would see.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain

from cinemill.errors import DependencyUnavailable, InputRejected, Postponed
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.gaps import StepReport
from cinemill.steps.resources import StepResources
from cinemill.storage.database import Database, open_patient_connection
from cinemill.storage.projection.filling import (
    SAMPLES,
    apply_changes,
    compare,
    drop_unused,
    fill_projection,
    prepare_projection,
)
from cinemill.storage.projection.health import lacks_points
from cinemill.storage.projection.rows import (
    Projection,
    ProjectionReplaced,
    ProjectionState,
    begin_projection,
    fail_projection,
    has_failed_lately,
    join_projection,
    list_projections,
    retire_projections,
    switch_projection,
)
from cinemill.storage.projection.server import QdrantServer
from cinemill.storage.retrieval.model_locks import ModelWork, try_lock_model
from cinemill.storage.retrieval.models import EmbeddingModel, ModelState, list_models
from cinemill.telemetry import get_logger

log = get_logger(__name__)

SECONDS_AT_ONCE = 300.0
"""Of filling; then the job queues again, so that other work gets the slot."""
SECONDS_OF_INGESTION = 20.0
"""Of bringing changes to Qdrant at the end of an ingestion; the rest is left to the next one."""
LOOK_AGAIN_SECONDS = 30.0
FILL_SHARE = 0.9
"""Of a model's progress; the rest is comparing."""


class QdrantUnset(InputRejected):
    """There is no Qdrant to fill."""

    code = "qdrant_unset"
    hint = "Set CINEMILL_QDRANT_URL, for the workers as well."


class ProjectionUnequal(InputRejected):
    """A filled collection is not what PostgreSQL has, so that searches do not ask it.

    Not WorkFailed: each of a job's attempts would copy the whole library again.
    """

    code = "projection_unequal"
    hint = (
        "Searches go on as before. Look into Qdrant's log, and fill another collection with "
        "'cinemill index rebuild'."
    )


class _TimeIsUp(Exception):
    """Ends what is left to the next run."""


def project_embeddings(resources: StepResources, context: StepContext) -> StepOutcome:
    """Bring to Qdrant what changed, and fill collections of models that have none.

    Without Qdrant nothing is done. Where it does not respond, that is logged and said as the
    result's ``gap``: the next run does it. So is a filled collection that is not equal; it is
    dropped, and another one begun after ``HOURS_AFTER_FAILURE``.

    Raises Postponed while a collection is filled, in turns of ``SECONDS_AT_ONCE``.
    """
    server = resources.qdrant
    if server is None:
        return StepOutcome(write_result(StepReport(reused=True)))
    work = _Projecting(resources.database, server, context)
    try:
        done = work.run(choose=_choose_latest)
    except (DependencyUnavailable, ProjectionUnequal) as error:
        log.warning("vectors are not in Qdrant yet", code=error.code, why=error.message)
        return StepOutcome(write_result(StepReport(gap=error.code)))
    return StepOutcome(write_result(StepReport(count=done or 0, reused=not done)))


def rebuild_projection(resources: StepResources, context: StepContext) -> StepOutcome:
    """Fill new collections for all models that searches use, next to those that are asked now.

    Each takes the other's place once it was compared with PostgreSQL. Interrupted, it goes on where
    it was, and so it does with a collection that another job began and did not complete.

    Raises QdrantUnset (``qdrant_unset``), QdrantUnavailable, ProjectionUnequal
    (``projection_unequal``), Postponed while it is under way, and where another job projects.
    """
    server = resources.qdrant
    if server is None:
        raise QdrantUnset("There is no Qdrant to fill: CINEMILL_QDRANT_URL is not set.")
    job_id = context.run.job_id
    work = _Projecting(resources.database, server, context, job_id=job_id)
    server.check()
    done = work.run(choose=lambda known: _choose_requested(known, job_id))
    if done is None:
        raise Postponed("Another job brings vectors to Qdrant.", delay_seconds=LOOK_AGAIN_SECONDS)
    return StepOutcome(write_result(StepReport(count=done)))


def project_soon(resources: StepResources, context: StepContext) -> None:
    """Bring to Qdrant what an ingestion changed, if that takes a moment.

    Searches make up for what is not there yet, so that nothing fails for it. Raises what stops the
    step.
    """
    server = resources.qdrant
    if server is None:
        return
    work = _Projecting(resources.database, server, context)
    try:
        server.check()
        work.bring_changes(SECONDS_OF_INGESTION)
    except DependencyUnavailable as error:
        log.warning("vectors are not in Qdrant yet", code=error.code, why=error.message)


Choose = Callable[[list[Projection]], Projection | None]
"""Returns the one of a model's projections to complete; None begins another."""


def _choose_latest(known: list[Projection]) -> Projection | None:
    return known[-1] if known else None


def _choose_requested(known: list[Projection], job_id: str) -> Projection | None:
    """Return the one that a job asked for, else one that is being filled, whoever began it.

    Two jobs that each began their own would give up the other's at every turn, and never end.
    """
    own = (one for one in known if job_id in one.job_ids)
    filling = (one for one in known if one.state is ProjectionState.FILLING)
    return next(chain(own, filling), None)


@dataclass(frozen=True, slots=True)
class _Projecting:
    database: Database
    server: QdrantServer
    context: StepContext
    job_id: str = ""
    """Of a job that asks for new collections."""
    began: float = field(default_factory=time.monotonic)

    def run(self, *, choose: Choose) -> int | None:
        """Complete a projection of each active model; return how many vectors changed there.

        None where another worker is at one of them; the others are completed nevertheless.
        """
        models = self._list_active()
        done, is_complete = 0, True
        for number, model in enumerate(models):
            with open_patient_connection(self.database) as connection:
                if try_lock_model(connection, ModelWork.PROJECT, model.id):
                    done += self._complete(model, choose, number / len(models), 1 / len(models))
                else:
                    is_complete = False
        if not is_complete:
            # What is unused may be what the other worker is still filling.
            return None
        drop_unused(self.database, self.server)
        return done

    def bring_changes(self, seconds: float) -> None:
        """Bring what changed to the collections that are there, for at most so long."""

        def check(_applied: int) -> None:
            self._check()
            if time.monotonic() - self.began > seconds:
                raise _TimeIsUp

        try:
            for model in self._list_active():
                with open_patient_connection(self.database) as connection:
                    if try_lock_model(connection, ModelWork.PROJECT, model.id):
                        apply_changes(self.database, self.server, model, on_batch=check)
        except _TimeIsUp:
            pass

    def _complete(self, model: EmbeddingModel, choose: Choose, begin: float, share: float) -> int:
        projection = self._find(model, choose)
        if projection is None:
            return 0
        if projection.state is ProjectionState.READY:
            applied = apply_changes(self.database, self.server, model, on_batch=self._check_batch)
            if lacks_points(self.database, self.server, model, projection):
                log.warning(
                    "Qdrant has lost vectors; 'cinemill index rebuild' fills it again",
                    model=model.name,
                )
            return applied
        words = f"Filling Qdrant with vectors of {model.name}"

        def report(done: float) -> None:
            self._check()
            self.context.report(begin + share * done, words)
            if time.monotonic() - self.began > SECONDS_AT_ONCE:
                raise Postponed(f"{words}: {done:.0%}.", delay_seconds=0.0)

        projection = prepare_projection(self.database, self.server, projection, model)
        # Before and after: while a large library is copied, others are searched in what is there.
        apply_changes(self.database, self.server, model, on_batch=self._check_batch)
        fill_projection(
            self.database,
            self.server,
            projection,
            model,
            on_page=lambda place: report(FILL_SHARE * place),
        )
        apply_changes(self.database, self.server, model, on_batch=self._check_batch)
        if self.server.is_indexing(projection.collection):
            words = f"Qdrant builds its index of {model.name}"
            self.context.report(begin + share * FILL_SHARE, words)
            raise Postponed(f"{words}.", delay_seconds=LOOK_AGAIN_SECONDS)
        self._switch(model, projection, begin + share * FILL_SHARE, share * (1 - FILL_SHARE))
        return self.server.count(projection.collection)

    def _find(self, model: EmbeddingModel, choose: Choose) -> Projection | None:
        """Return the projection to complete; None where another attempt has to wait."""
        with self.database.begin() as connection:
            known = list_projections(connection, model.id)
        ready = [one for one in known if one.state is ProjectionState.READY]
        if ready and not self.server.exists(ready[0].collection):
            log.warning("Qdrant has lost its vectors; it is filled again", model=model.name)
            with self.database.begin() as connection:
                retire_projections(connection, model.id, ProjectionState.READY)
            known = [one for one in known if one not in ready]
        if (found := choose(known)) is not None:
            if self.job_id and self.job_id not in found.job_ids:
                # Once it is complete, this job needs no other one.
                with self.database.begin() as connection:
                    join_projection(connection, found.id, self.job_id)
            return found
        with self.database.begin() as connection:
            # Who asks for one gets it at once; by itself, a large library is not copied all day.
            if not self.job_id and has_failed_lately(connection, model.id):
                return None
            return begin_projection(connection, model, self.job_id)

    def _switch(
        self, model: EmbeddingModel, projection: Projection, begin: float, share: float
    ) -> None:
        def report(compared: int) -> None:
            self._check()
            words = f"Comparing Qdrant with PostgreSQL for {model.name}"
            self.context.report(begin + share * compared / SAMPLES, words)

        found = compare(self.database, self.server, projection, model, on_sample=report)
        if not found.is_equal:
            # It would be compared again and again, and never be another one.
            with self.database.begin() as connection:
                fail_projection(connection, projection.id)
            raise ProjectionUnequal(
                f"PostgreSQL has {found.vectors} vectors of {model.name} and Qdrant {found.points}"
                f", with {found.changes} to come; of the nearest it finds {found.recall:.0%}."
            )
        try:
            with self.database.begin() as connection:
                switch_projection(connection, projection)
        except ProjectionReplaced as replaced:
            raise Postponed(replaced.message, delay_seconds=LOOK_AGAIN_SECONDS) from replaced

    def _list_active(self) -> list[EmbeddingModel]:
        with self.database.begin() as connection:
            return [one for one in list_models(connection) if one.state is ModelState.ACTIVE]

    def _check(self) -> None:
        """Raise what stops the step, if it should stop."""
        if (stop := self.context.should_stop()) is not None:
            raise stop

    def _check_batch(self, _applied: int) -> None:
        self._check()
