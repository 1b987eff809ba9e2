"""What a capability defines under names that only one may have."""

from __future__ import annotations

from typing import NamedTuple

from cinemill.steps.capability import Capability


class NamedPart(NamedTuple):
    """Something that a capability defines, by the name under which everybody finds it."""

    sort: str
    """Such as ``queue``."""
    name: str


def list_parts(capability: Capability) -> list[NamedPart]:
    """List everything that a capability defines under a name that only one may have."""
    return [
        NamedPart("capability", capability.name),
        *(NamedPart("queue", queue.name) for queue in capability.queues),
        *(NamedPart("kind of step", step.name) for step in capability.steps),
        *(NamedPart("kind of job", job.name) for job in capability.jobs),
    ]
