"""What a step embeds: its own video whole, and other videos a few minutes while a model is new.

Embedding a library with a new model takes hours, of which no single video's job may die. So each
ingestion goes on with it for a while, one at a time, and the job that asks for embeddings alone
does all of it, in as many turns as that takes. Meanwhile a new video is also embedded with the
model that searches still use.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from cinemill.core.retrieval.spaces import Space
from cinemill.errors import Postponed, ToolMissing
from cinemill.inference.models.cards import ModelCard
from cinemill.jobs.step import StepContext
from cinemill.steps.ingestion.gaps import is_ingestion
from cinemill.steps.resources import StepResources, find_asset
from cinemill.steps.source.results import IMPORT
from cinemill.storage.database import Connection, Database, open_patient_connection
from cinemill.storage.retrieval.model_locks import ModelWork, try_lock_model
from cinemill.storage.retrieval.models import (
    EmbeddingModel,
    ModelState,
    count_missing,
    find_active_model,
)
from cinemill.storage.retrieval.vectors import PassageText, fill_model

SECONDS_FOR_OTHERS = 300.0
"""Of an ingestion's step, after which it leaves other videos to the next one."""
SECONDS_AT_ONCE = 300.0
"""Of a job for all videos, which then queues again: other work gets the slot, and no time limit
ends an attempt, however many videos there are."""
SECONDS_TO_WAIT = 330.0
"""For another worker's turn, which is over sooner; the next one may be this one's."""
WAIT_AGAIN_SECONDS = 30.0
LOCK_POLL_SECONDS = 0.25

Embed = Callable[[Sequence[PassageText]], Sequence[ArrayLike | None]]


@dataclass(frozen=True, slots=True)
class Filling:
    """How a step fills models, and how it reports that."""

    database: Database
    context: StepContext
    unit: str
    """What it counts in its messages, such as "Embedding passage"."""
    batch_size: int
    begin: float = 0.0
    """Share of the step that is done before."""

    def fill_video(self, model: EmbeddingModel, embed: Embed, asset_id: str) -> int:
        """Embed what one video lacks; return how many passages that were.

        Raises what ``embed`` and :func:`~.fill_model` raise, and what stops the step.
        """
        with self.database.begin() as connection:
            missing = count_missing(connection, model, asset_id=asset_id)
        if not missing:
            return 0
        return self._fill(model, embed, missing, asset_id=asset_id)

    def fill_others(self, model: EmbeddingModel, embed: Embed) -> int:
        """Embed what all videos lack for at most ``SECONDS_FOR_OTHERS``.

        That is left to another worker that does so already. A model that searches use was complete
        once, and every video brings what it lacks itself, so that nothing is looked for.
        Returns and raises as :meth:`fill_video`.
        """
        if model.state is not ModelState.FILLING:
            return 0
        with open_patient_connection(self.database) as connection:
            if not try_lock_model(connection, ModelWork.FILL, model.id):
                return 0
            with self.database.begin() as counting:
                missing = count_missing(counting, model)
            if not missing:
                return 0
            began = time.monotonic()
            return self._fill(
                model,
                embed,
                missing,
                should_go_on=lambda: time.monotonic() - began < SECONDS_FOR_OTHERS,
            )

    def fill_library(self, model: EmbeddingModel, embed: Embed) -> int:
        """Embed what all videos lack, in turns of ``SECONDS_AT_ONCE``, after a worker that does so.

        Returns how many passages the last turn embedded. Raises Postponed where more turns are
        needed, and as :meth:`fill_video`.
        """
        with open_patient_connection(self.database) as connection:
            self._await_turn(connection, model)
            with self.database.begin() as counting:
                missing = count_missing(counting, model)
            if not missing:
                return 0
            began = time.monotonic()

            def hand_back(filled: int) -> None:
                if filled < missing and time.monotonic() - began >= SECONDS_AT_ONCE:
                    raise Postponed(f"{self.unit} {filled} of {missing}.", delay_seconds=0.0)

            return self._fill(model, embed, missing, on_filled=hand_back)

    def _await_turn(self, connection: Connection, model: EmbeddingModel) -> None:
        """Wait until nobody else embeds the library; raise Postponed where that takes too long."""
        began = time.monotonic()
        while not try_lock_model(connection, ModelWork.FILL, model.id):
            self.check()
            waited = time.monotonic() - began
            words = f"Another job embeds all videos with {model.name}"
            self.context.report(self.begin, f"{words} ({waited:.1f} s)")
            if waited > SECONDS_TO_WAIT:
                raise Postponed(f"{words}.", delay_seconds=WAIT_AGAIN_SECONDS)
            time.sleep(LOCK_POLL_SECONDS)

    def check(self) -> None:
        """Raise what stops the step, if it shall stop."""
        if (stop := self.context.should_stop()) is not None:
            raise stop

    def _fill(
        self,
        model: EmbeddingModel,
        embed: Embed,
        missing: int,
        *,
        asset_id: str | None = None,
        on_filled: Callable[[int], None] = lambda _filled: None,
        should_go_on: Callable[[], bool] = lambda: True,
    ) -> int:
        def report(filled: int, looked_at: float) -> None:
            self.check()
            # What all videos have is passed over, and that is progress too.
            done = looked_at if asset_id is None else min(1.0, filled / missing)
            share = self.begin + (1 - self.begin) * done
            self.context.report(share, f"{self.unit} {filled} of {missing}")
            if looked_at < 1:
                on_filled(filled)

        return fill_model(
            self.database,
            model.id,
            embed,
            asset_id=asset_id,
            batch_size=self.batch_size,
            on_progress=report,
            should_go_on=should_go_on,
        )


def find_own_video(resources: StepResources, context: StepContext) -> str | None:
    """Return the id of the job's video; None in a job that is for all videos.

    Raises NotFound (``asset_not_found``).
    """
    is_about_one = context.run.asset_id is not None or context.find_result(IMPORT) is not None
    is_about_one = is_about_one or is_ingestion(context)
    return find_asset(resources, context).id if is_about_one else None


def find_model_in_use(database: Database, space: Space, card: ModelCard) -> EmbeddingModel | None:
    """Return the model that searches use, if it is another than the one of this card."""
    with database.begin() as connection:
        active = find_active_model(connection, space)
    if active is None or (active.name, active.revision) == (card.name, card.revision):
        return None
    return active


def check_revision(model: EmbeddingModel, card: ModelCard) -> None:
    """Check that vectors of a card's model can be compared with those that are stored.

    Raises ToolMissing (``model_changed``).
    """
    if card.revision != model.revision:
        raise ToolMissing(
            f"This machine has another revision of {model.name} than the index was made with.",
            code="model_changed",
        )
