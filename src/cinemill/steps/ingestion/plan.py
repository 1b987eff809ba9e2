"""The plan of an ingestion, from a probed video to an index that answers."""

from __future__ import annotations

from typing import Annotated

from cinemill.core.job import StepSpec
from cinemill.core.parameters import Parameters, choice_of, none_as
from cinemill.steps.ingestion import kinds
from cinemill.steps.ingestion.profiles import CONTENTS, Profile
from cinemill.steps.ingestion.providers import Provider, plan_provider


class IngestionParameters(Parameters):
    """What an ingestion is asked for."""

    profile: Annotated[Profile, choice_of(Profile)] | None = None
    """How much to find out: quick, standard or full. Null only prepares the video."""
    provider: Annotated[Provider, choice_of(Provider), none_as(Provider.LOCAL)] = Provider.LOCAL
    """Who looks at the pictures: local, rekognition or nvidia."""


class ProfileParameters(Parameters):
    """The profile of a step."""

    profile: Annotated[Profile, choice_of(Profile)] = Profile.STANDARD
    """How much to find out."""
    provider: Annotated[Provider, choice_of(Provider)] = Provider.LOCAL
    """Who looks at the pictures."""


def plan_ingestion(profile: Profile, provider: Provider = Provider.LOCAL) -> list[StepSpec]:
    """Return the steps of an ingestion. They come after those called ``probe`` and ``prepare``.

    Preparing decodes the video once: what it leaves for shots and for speech is used here.
    ``chunks`` adds the steps that depend on the video: those that look at key frames side by side,
    and those that listen, if there is anything to hear. A ``provider`` elsewhere looks at the
    video itself, meanwhile.

    Raises InputRejected (``provider_not_needed``).
    """
    contents = CONTENTS[profile]
    params = {"profile": profile.value, "provider": provider.value}
    looking = plan_provider(provider, profile)
    steps = [
        StepSpec("shots", kinds.DETECT_SHOTS, after=("prepare",)),
        StepSpec("keyframes", kinds.EXTRACT_KEYFRAMES, after=("shots",)),
        StepSpec("chunks", kinds.CHUNK_VIDEO, params, after=("keyframes", "probe")),
        *looking,
        StepSpec(
            "passages",
            kinds.WRITE_PASSAGES,
            params,
            after=("chunks", *(step.name for step in looking)),
        ),
        StepSpec("text_embeddings", kinds.EMBED_TEXT, after=("passages",)),
    ]
    last = ["text_embeddings"]
    if contents.has_pictures:
        steps += [
            StepSpec("picture_embeddings", kinds.EMBED_PICTURES, after=("passages",)),
            StepSpec(
                "moment_embeddings",
                kinds.FUSE_EMBEDDINGS,
                after=("text_embeddings", "picture_embeddings"),
            ),
        ]
        last.append("moment_embeddings")
    if contents.has_knowledge:
        steps.append(StepSpec("knowledge", kinds.EXTRACT_RELATIONS, after=("passages",)))
        last.append("knowledge")
    if contents.has_scenes:
        steps.append(StepSpec("scenes", kinds.BUILD_SCENES, after=("passages",)))
        last.append("scenes")
    steps.append(StepSpec("index", kinds.INDEX_EMBEDDINGS, after=tuple(last)))
    return [*steps, StepSpec("summary", kinds.SUMMARIZE, params, after=("prepare", "index"))]
