"""What a person chose about services that analyze videos elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class VisionInput(StrEnum):
    """What a vision model is sent of a range."""

    CLIP = "clip"
    """A clip within the request, as Cosmos takes it."""
    FRAMES = "frames"
    """Frames, as any model takes them that sees images."""
    ASSET = "asset"
    """A clip that is uploaded first, as the hosted VILA takes it."""


@dataclass(frozen=True, slots=True)
class RekognitionSettings:
    """Amazon Rekognition, and the bucket that it reads videos from."""

    bucket: str
    region: str | None = None
    prefix: str = ""
    topic_arn: str | None = None
    role_arn: str | None = None
    """Set where ``topic_arn`` is."""
    minute_dollars: float | None = None


@dataclass(frozen=True, slots=True)
class VisionSettings:
    """A server with a vision model."""

    url: str | None = None
    """None for the address of the hosted VILA."""
    api_key: str | None = field(default=None, repr=False)
    model: str | None = None
    input: VisionInput = VisionInput.CLIP
    assets_url: str = ""
    request_dollars: float | None = None


@dataclass(frozen=True, slots=True)
class TokenDollars:
    """What a language model asks for a million tokens; None where nobody said."""

    input: float | None = None
    output: float | None = None


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """The services that this instance is set up for, and what they may cost."""

    rekognition: RekognitionSettings | None = None
    nvidia: VisionSettings | None = None
    language_model: TokenDollars = TokenDollars()
    dollars_per_video: float | None = None
    dollars_per_day: float | None = None
    requests_per_day: int | None = None


NO_SERVICES = ServiceSettings()
