"""What is known of a job's source once it was imported and probed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from cinemill.core.media import MediaInfo
from cinemill.jobs.results import ResultOf, Seconds


def _read_media(value: Any) -> MediaInfo:
    return value if isinstance(value, MediaInfo) else MediaInfo.from_json(dict(value))


StoredMedia = Annotated[MediaInfo, PlainValidator(_read_media), PlainSerializer(MediaInfo.to_json)]
"""As its ``to_json`` writes it."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The file in the store, and the asset that it became."""

    asset_id: str
    sha256: str = ""
    seconds: Seconds = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What the asset is."""

    asset_id: str
    media: StoredMedia
    stages: Mapping[str, float | None] = field(default_factory=dict)
    """Seconds by earlier step."""
    seconds: Seconds = None


IMPORT = ResultOf("intake", ImportResult)
PROBE = ResultOf("probe", ProbeResult)
