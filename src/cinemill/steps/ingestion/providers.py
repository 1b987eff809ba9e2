"""Who looks at the pictures of a video: models on this machine, or a service elsewhere."""

from __future__ import annotations

from enum import StrEnum

from cinemill.core.findings.finding import FindingKind
from cinemill.core.job import StepSpec
from cinemill.errors import InputRejected
from cinemill.steps.ingestion import kinds
from cinemill.steps.ingestion.profiles import CONTENTS, Profile


class Provider(StrEnum):
    """Who looks."""

    LOCAL = "local"
    """Models on the worker's machine."""
    REKOGNITION = "rekognition"
    """Amazon Rekognition Video."""
    NVIDIA = "nvidia"
    """A vision model of NVIDIA's, or another behind the same interface."""


REPLACED: dict[Provider, frozenset[FindingKind]] = {
    Provider.LOCAL: frozenset(),
    Provider.REKOGNITION: frozenset(
        {FindingKind.TEXT, FindingKind.TAG, FindingKind.FACE, FindingKind.OBJECT}
    ),
    Provider.NVIDIA: frozenset({FindingKind.TAG}),
}
"""What a provider finds, so that models on this machine need not."""
_FEATURES = {
    Profile.STANDARD: ("labels", "faces", "text"),
    Profile.FULL: ("labels", "faces", "text", "moderation"),
}
"""What Rekognition looks for. Shots are found on this machine: exact to the frame, and for free."""


def plan_provider(provider: Provider, profile: Profile) -> list[StepSpec]:
    """Return the step in which a provider looks at a video, if it is not this machine.

    Raises InputRejected (``provider_not_needed``).
    """
    if provider is Provider.LOCAL:
        return []
    if not CONTENTS[profile].frames:
        raise InputRejected(
            f"The profile {profile.value} looks at no pictures, so {provider.value} has nothing "
            "to do.",
            code="provider_not_needed",
            hint="Choose the profile standard or full, or leave the provider out.",
        )
    if provider is Provider.REKOGNITION:
        params = {"features": list(_FEATURES[profile])}
        kind = kinds.ANALYZE_WITH_REKOGNITION
        return [StepSpec("provider", kind, params, after=("prepare", "probe"))]
    return [StepSpec("provider", kinds.ANALYZE_WITH_NVIDIA, after=("shots", "probe"))]
