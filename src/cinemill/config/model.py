"""The settings themselves: one frozen model, each field with its name outside and its meaning."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic import PrivateAttr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from cinemill.config import fields, parsers
from cinemill.config.fields import GIB, SettingInfo, setting

URL = SettingInfo(show="masked_url")
BYTES = SettingInfo(show="bytes")


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of ``cinemill config``; nothing in it is secret."""

    name: str
    """As in the environment."""
    value_masked: str
    source: str
    """``environment``, the settings file's path, ``default`` or ``derived from NAME``."""
    meaning: str


class Settings(BaseSettings):
    """Everything that can be set. Make one with :func:`cinemill.config.load`.

    Building it directly checks each field by itself and reads neither environment nor file, which
    is what tests want; ``load`` also checks the fields against each other.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True
    )

    home: fields.Folder = setting(
        "CINEMILL_HOME",
        "The folder of all data: films, records, logs, passwords. Made with mode 0700.",
        default_factory=fields.default_home,
        trait=SettingInfo(default_text="the user's data folder, e.g. ~/.local/share/cinemill"),
    )
    settings_file: fields.ExistingFile | None = setting(
        "CINEMILL_SETTINGS_FILE",
        "The settings file; unset, CINEMILL_HOME/settings.toml or settings.json where it exists.",
    )
    host: fields.Host = setting(
        "CINEMILL_HOST", "The address that the HTTP doors listen on.", "127.0.0.1"
    )
    port: fields.Port = setting("CINEMILL_PORT", "The port of the HTTP doors.", 8420)
    auth: Literal["token", "off"] = setting(
        "CINEMILL_AUTH",
        "Who may come in: 'token' asks for CINEMILL_HOME/token; 'off' is for a loopback host only.",
        "token",
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "CINEMILL_LOG_LEVEL", "How much is logged: debug, info, warning or error.", "info"
    )
    sandbox: Literal["auto", "off", "require"] = setting(
        "CINEMILL_SANDBOX",
        "Bubblewrap around FFmpeg: 'auto' where it works, 'require' or refuse to work, 'off'.",
        "auto",
    )

    database_url: fields.DatabaseUrl | None = setting(
        "DATABASE_URL",
        "PostgreSQL with pgvector; unset, the mill starts its own.",
        trait=URL,
    )
    database_pool_size: int = setting(
        "DATABASE_POOL_SIZE", "Database connections of one process.", 5, ge=1, le=500
    )
    redis_host: fields.Host | None = setting(
        "REDIS_HOST", "With REDIS_PORT, REDIS_DB and REDIS_PASSWORD in place of REDIS_URL."
    )
    redis_port: fields.Port = setting("REDIS_PORT", "See REDIS_HOST.", 6379)
    redis_db: int = setting("REDIS_DB", "See REDIS_HOST.", 0, ge=0)
    redis_password: str | None = setting(
        "REDIS_PASSWORD", "See REDIS_HOST.", trait=SettingInfo(show="masked")
    )
    redis_url: fields.RedisUrl | None = setting(
        "REDIS_URL",
        "Redis or Valkey (redis, rediss, unix, or sentinel for a highly available one); unset, the"
        " mill starts its own.",
        default_factory=fields.compose_redis_url,
        trait=SettingInfo(
            show="masked_url", derived_from="redis_host", default_text="from REDIS_HOST, or unset"
        ),
    )

    celery_broker_url: fields.BrokerUrl | None = setting(
        "CELERY_BROKER_URL",
        "Where Celery's messages go.",
        default_factory=fields.derive_broker_url,
        trait=SettingInfo(show="masked_url", derived_from="redis_url", default_text="REDIS_URL"),
    )
    celery_result_backend: fields.ResultUrl | None = setting(
        "CELERY_RESULT_BACKEND",
        "Where Celery keeps results; unset, in PostgreSQL with the jobs.",
        trait=URL,
    )
    celery_worker_concurrency: int = setting(
        "CELERY_WORKER_CONCURRENCY",
        "Tasks that one worker works on at a time.",
        default_factory=lambda: min(4, fields.usable_cpus()),
        trait=SettingInfo(default_text="the number of CPUs, at most 4"),
        ge=1,
        le=parsers.MOST_PROCESSES,
    )
    celery_worker_autoscale: fields.Autoscale | None = setting(
        "CELERY_WORKER_AUTOSCALE",
        "The most and the fewest processes of one worker, such as 4,1: as many as there is work"
        " for. In place of CELERY_WORKER_CONCURRENCY.",
    )
    celery_worker_pool: Literal["prefork", "solo"] = setting(
        "CELERY_WORKER_POOL", "'prefork', or 'solo' for a small machine.", "prefork"
    )
    celery_task_time_limit: int = setting(
        "CELERY_TASK_TIME_LIMIT", "Seconds after which a task is killed.", 3600, ge=1
    )
    celery_task_soft_time_limit: int = setting(
        "CELERY_TASK_SOFT_TIME_LIMIT",
        "Seconds after which a task is asked to stop; below the hard limit.",
        3300,
        ge=1,
    )
    render_timeout: fields.Seconds | None = setting(
        "RENDER_TIMEOUT",
        "Seconds after which a try at a render is stopped; unset, almost six hours.",
    )
    preview_timeout: fields.Seconds | None = setting(
        "PREVIEW_TIMEOUT", "Seconds after which a try at previews is stopped; unset, 55 minutes."
    )
    transcode_timeout: fields.Seconds | None = setting(
        "TRANSCODE_TIMEOUT",
        "Seconds after which a try at a transcode is stopped; unset, almost six hours.",
    )
    caption_timeout: fields.Seconds | None = setting(
        "CAPTION_TIMEOUT",
        "Seconds after which a try at captions is stopped; unset, almost six hours.",
    )
    render_rate: int | None = setting(
        "RENDER_RATE",
        "Renders that begin in a minute, at most, over the whole installation; unset, 10.",
        ge=1,
    )
    transcode_rate: int | None = setting(
        "TRANSCODE_RATE",
        "Transcodes that begin in a minute, at most, over the whole installation; unset, 20.",
        ge=1,
    )
    caption_rate: int | None = setting(
        "CAPTION_RATE",
        "Films that begin to be heard in a minute, at most, over the whole installation; unset, 5.",
        ge=1,
    )
    celery_task_max_retries: int = setting(
        "CELERY_TASK_MAX_RETRIES", "Retries of a step that failed.", 3, ge=0, le=1000
    )
    celery_task_default_retry_delay: float = setting(
        "CELERY_TASK_DEFAULT_RETRY_DELAY",
        "Seconds before the first retry; doubled for each further one, with jitter.",
        60,
        ge=0,
        allow_inf_nan=False,
    )

    max_crashes: int = setting(
        "CINEMILL_MAX_CRASHES", "Crashes of a worker after which a step is dead.", 3, ge=1, le=1000
    )
    lease_seconds: fields.Seconds = setting(
        "CINEMILL_LEASE_SECONDS", "Silence after which a worker counts as crashed.", 60
    )
    heartbeat_seconds: fields.Seconds = setting(
        "CINEMILL_HEARTBEAT_SECONDS", "How often a worker says it lives; a third of the lease.", 15
    )
    stall_seconds: fields.Seconds = setting(
        "CINEMILL_STALL_SECONDS", "Seconds without progress after which an encoder is killed.", 120
    )
    relay_window: int = setting(
        "CINEMILL_RELAY_WINDOW", "Messages of one queue in Redis at a time.", 8, ge=1, le=10_000
    )
    sweep_seconds: fields.Seconds = setting(
        "CINEMILL_SWEEP_SECONDS", "How often unpublished and abandoned work is looked for.", 2
    )
    lost_message_seconds: fields.Seconds = setting(
        "CINEMILL_LOST_MESSAGE_SECONDS",
        "Age at which a published message that nobody has and Redis lacks is published again.",
        5,
    )

    adopt_unprefixed: bool = setting(
        "CINEMILL_ADOPT_UNPREFIXED",
        "Take jobs from Celery's lists without our key prefix that nobody reads.",
        True,
    )

    max_upload_bytes: fields.Bytes = setting(
        "CINEMILL_MAX_UPLOAD_BYTES", "The largest upload.", 64 * GIB, trait=BYTES
    )
    max_pixels: int = setting(
        "CINEMILL_MAX_PIXELS", "The largest picture, width times height.", 35_389_440, ge=1
    )
    max_duration_seconds: fields.Seconds = setting(
        "CINEMILL_MAX_DURATION_SECONDS", "The longest film.", 43_200
    )
    max_streams: int = setting("CINEMILL_MAX_STREAMS", "The most streams in a file.", 32, ge=1)
    max_output_bytes: fields.Bytes = setting(
        "CINEMILL_MAX_OUTPUT_BYTES",
        "The largest file that a command may write.",
        64 * GIB,
        trait=BYTES,
    )
    min_free_bytes: fields.Bytes = setting(
        "CINEMILL_MIN_FREE_BYTES", "Free disk space below which no work is taken.", GIB, trait=BYTES
    )
    retention_days: int = setting(
        "CINEMILL_RETENTION_DAYS", "Days after which finished jobs are forgotten.", 30, ge=1
    )
    stuck_hours: fields.Seconds = setting(
        "CINEMILL_STUCK_HOURS", "Hours after which a job that has not ended is reported.", 2
    )
    ffmpeg_path: fields.Program | None = setting(
        "FFMPEG_PATH", "The FFmpeg to use; unset, a suitable one of the system, else the wheel's."
    )
    temp_dir: fields.Folder = setting(
        "TEMP_DIR",
        "Private folders of running work; best on the same disk as CINEMILL_HOME.",
        default_factory=lambda data: data["home"] / "work",
        trait=SettingInfo(derived_from="home", default_text="CINEMILL_HOME/work"),
    )
    render_dir: fields.Folder = setting(
        "RENDER_DIR",
        "Renditions and renders by name; best on the same disk as CINEMILL_HOME.",
        default_factory=lambda data: data["home"] / "renders",
        trait=SettingInfo(derived_from="home", default_text="CINEMILL_HOME/renders"),
    )
    preview_dir: fields.Folder = setting(
        "PREVIEW_DIR",
        "Previews by name; best on the same disk as CINEMILL_HOME.",
        default_factory=lambda data: data["home"] / "previews",
        trait=SettingInfo(derived_from="home", default_text="CINEMILL_HOME/previews"),
    )

    input_roots: fields.Folders = setting(
        "CINEMILL_INPUT_ROOTS",
        "Folders that films may be fetched from by path, separated as in PATH.",
        default_factory=fields.default_input_roots,
        trait=SettingInfo(default_text="the user's home, the temporary and the current folder"),
    )

    cache_ttl_embeddings: int = setting(
        "CACHE_TTL_EMBEDDINGS", "Seconds that embeddings are kept in Redis.", 86_400, ge=1
    )
    cuda_visible_devices: fields.Devices | None = setting(
        "CUDA_VISIBLE_DEVICES", "GPUs to use, by index or UUID; empty for none, unset for all."
    )
    gpu_memory_fraction: fields.Share = setting(
        "GPU_MEMORY_FRACTION", "Share of a GPU's memory that one worker may take.", 0.8
    )
    mig_enabled: bool = setting(
        "MIG_ENABLED", "One worker process for each MIG instance of a GPU.", False
    )
    resnet50_model_path: fields.ExistingFile | None = setting(
        "RESNET50_MODEL_PATH", "Weights of the ResNet50 branch of detection."
    )
    clip_model_name: str = setting(
        "CLIP_MODEL_NAME",
        "The CLIP of the other branch: a hub's name or a path.",
        "openai/clip-vit-base-patch32",
        min_length=1,
    )
    ensemble_weight_resnet50: fields.Share = setting(
        "ENSEMBLE_WEIGHT_RESNET50", "Weight of ResNet50's score; the two sum to 1.", 0.6
    )
    ensemble_weight_clip: fields.Share = setting(
        "ENSEMBLE_WEIGHT_CLIP", "Weight of CLIP's score; the two sum to 1.", 0.4
    )

    _sources: Mapping[str, str] = PrivateAttr(default_factory=dict)
    _warnings: tuple[str, ...] = PrivateAttr(default=())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Values come from ``load`` alone: nothing is read behind its back."""
        return (init_settings,)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what is legal and unwise; empty unless made by ``load``."""
        return self._warnings

    @property
    def is_local_only(self) -> bool:
        """Whether only this machine can reach the HTTP doors."""
        return parsers.is_loopback(self.host)

    def describe(self) -> list[SettingRow]:
        """Every setting as it is in force, secrets masked, in the order of the documentation."""
        return [
            SettingRow(
                name, format_value(getattr(self, field), trait), self._source(field), meaning
            )
            for field, name, trait, meaning in setting_fields()
        ]

    def to_environment(self) -> dict[str, str]:
        """What was given, as the environment writes it, so that a child reads what we have read.

        Not masked: for a child's environment only.
        """
        return {
            name_of(field): _write(getattr(self, field))
            for field in self.model_fields_set
            if getattr(self, field) is not None
        }

    def _source(self, field: str) -> str:
        if field in self.model_fields_set:
            return self._sources.get(field, "argument")
        parent = trait_of(type(self).model_fields[field]).derived_from
        if parent and getattr(self, field) is not None:
            return f"derived from {name_of(parent)}"
        return "default"

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Masked too: settings end up in logs and tracebacks."""
        for field, _, trait, _ in setting_fields():
            yield field, format_value(getattr(self, field), trait)


def _write(value: object) -> str:
    return os.pathsep.join(map(str, value)) if isinstance(value, tuple) else str(value)


def trait_of(field: FieldInfo) -> SettingInfo:
    extra: Any = field.json_schema_extra
    return cast("SettingInfo", extra["trait"])


def name_of(field: str) -> str:
    """The outside name of a field, e.g. ``CINEMILL_PORT`` of ``port``."""
    return str(Settings.model_fields[field].validation_alias)


def setting_fields() -> list[tuple[str, str, SettingInfo, str]]:
    """(field, outside name, trait, meaning) of every setting."""
    return [
        (field, str(info.validation_alias), trait_of(info), info.description or "")
        for field, info in Settings.model_fields.items()
    ]


def format_value(value: object, trait: SettingInfo) -> str:
    """``value`` as a person may see it."""
    if value is None or value == "":
        return "unset" if value is None else "(empty)"
    if trait.show != "plain":
        return _FORMATTERS[trait.show](value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return os.pathsep.join(str(item) for item in value)
    return format(value, "g") if isinstance(value, float) else str(value)


_FORMATTERS: Mapping[str, Callable[[Any], str]] = {
    "masked": lambda _: parsers.MASK,
    "masked_url": parsers.mask_url,
    "bytes": parsers.show_bytes,
}


def reference() -> list[SettingRow]:
    """The settings with their defaults, the same on every machine: for the generated pages."""
    return [
        SettingRow(
            name,
            trait.default_text or format_value(Settings.model_fields[field].default, trait),
            "default",
            meaning,
        )
        for field, name, trait, meaning in setting_fields()
    ]
