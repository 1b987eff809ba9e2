"""Work on pictures, asked for of a source that is sound alone: refused, or left out."""

from __future__ import annotations

from collections.abc import Callable

from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.media.rejections import reject_media
from cinemill.steps.ingestion.gaps import StepReport, is_ingestion
from cinemill.steps.resources import StepResources, find_asset
from cinemill.steps.source.results import PROBE

Work = Callable[[StepResources, StepContext], StepOutcome]


def needing_picture(work: Work) -> Work:
    """Return a handler that refuses sources that are sound alone (``media_no_video``)."""

    def handle(resources: StepResources, context: StepContext) -> StepOutcome:
        if is_sound_alone(resources, context):
            raise reject_media("media_no_video")
        return work(resources, context)

    return handle


def skipping_sound(work: Work) -> Work:
    """Return a handler that, in an ingestion, has nothing to look at in sound alone.

    That is no gap: nothing is missing. A job that asks for this work alone is refused.
    """

    def handle(resources: StepResources, context: StepContext) -> StepOutcome:
        if not is_sound_alone(resources, context):
            return work(resources, context)
        if not is_ingestion(context):
            raise reject_media("media_no_video")
        return StepOutcome(write_result(StepReport()))

    return handle


def is_sound_alone(resources: StepResources, context: StepContext) -> bool:
    """Check whether the job's source was found to have no picture. Raises NotFound."""
    probed = context.find_result(PROBE)
    media = find_asset(resources, context).media if probed is None else probed.media
    return media is not None and not media.has_picture
