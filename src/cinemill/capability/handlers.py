"""What the handlers and routes of a package's capability work with.

To be imported inside ``build_handlers`` or ``build_router``, or by a module that only they import:
it loads what runs FFmpeg and what reads the database.
"""

from cinemill.core.media import Artifact, ArtifactKind, MediaInfo
from cinemill.core.tracks.choice import choose_audio
from cinemill.errors import (
    CinemillError,
    CommandFailed,
    DiskFull,
    InputRejected,
    MediaRejected,
    NotFound,
    OutputInvalid,
    WorkFailed,
)
from cinemill.jobs.step import Handler, StepContext, StepOutcome
from cinemill.media.ffmpeg.arguments import input_arguments
from cinemill.media.ffmpeg.progress import share_of_time
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.verify.integrity import check_log, ends_cleanly
from cinemill.steps.content_key import content_key
from cinemill.steps.publish import publish_artifact
from cinemill.steps.resources import StepResources, ffmpeg_session, find_asset, require_space
from cinemill.storage.media.assets import (
    ArtifactRecord,
    AssetRecord,
    find_step_artifacts,
    get_artifact,
    get_asset,
    save_artifacts,
)

__all__ = [
    "Artifact",
    "ArtifactKind",
    "ArtifactRecord",
    "AssetRecord",
    "CinemillError",
    "CommandFailed",
    "DiskFull",
    "FfmpegSession",
    "Handler",
    "InputRejected",
    "MediaInfo",
    "MediaRejected",
    "NotFound",
    "OutputInvalid",
    "StepContext",
    "StepOutcome",
    "StepResources",
    "WorkFailed",
    "check_log",
    "choose_audio",
    "content_key",
    "ends_cleanly",
    "ffmpeg_session",
    "find_asset",
    "find_step_artifacts",
    "get_artifact",
    "get_asset",
    "input_arguments",
    "publish_artifact",
    "require_space",
    "save_artifacts",
    "share_of_time",
]
