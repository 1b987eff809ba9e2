"""The settings: one frozen model, each field with its public name and its description."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import PrivateAttr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from cinemill.config import fields, parsers
from cinemill.config.description import SettingRow, format_value, info_of
from cinemill.config.fields import GIB, SettingInfo, setting

URL = SettingInfo(show="masked_url")
BYTES = SettingInfo(show="bytes")


class Settings(BaseSettings):
    """All settings. Create an instance with :func:`cinemill.config.load`.

    Building it directly checks each field by itself and reads neither environment nor file, which
    is what tests want; ``load`` also checks the fields against each other.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True
    )

    home: fields.Folder = setting(
        "CINEMILL_HOME",
        "Data folder for videos, records, logs and passwords. Created with mode 0700.",
        default_factory=fields.default_home,
        info=SettingInfo(default_text="the user's data folder, e.g. ~/.local/share/cinemill"),
    )
    settings_file: fields.ExistingFile | None = setting(
        "CINEMILL_SETTINGS_FILE",
        "Settings file. Default: CINEMILL_HOME/settings.toml or settings.json, if one exists.",
    )
    host: fields.Host = setting(
        "CINEMILL_HOST", "Address that the HTTP API listens on.", "127.0.0.1"
    )
    port: fields.Port = setting("CINEMILL_PORT", "Port that the HTTP API listens on.", 8420)
    auth: Literal["token", "off"] = setting(
        "CINEMILL_AUTH",
        "'token' requires the token in CINEMILL_HOME/token; 'off' is allowed on loopback only.",
        "token",
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "CINEMILL_LOG_LEVEL", "Log level: debug, info, warning or error.", "info"
    )
    sandbox: Literal["auto", "off", "require"] = setting(
        "CINEMILL_SANDBOX",
        "Run FFmpeg in bubblewrap: 'auto' if available, 'require' to fail without it, or 'off'.",
        "auto",
    )

    database_url: fields.DatabaseUrl | None = setting(
        "DATABASE_URL",
        "PostgreSQL with pgvector. If unset, Cinemill starts its own.",
        info=URL,
    )
    database_pool_size: int = setting(
        "DATABASE_POOL_SIZE", "Maximum database connections per process.", 5, ge=1, le=500
    )
    redis_host: fields.Host | None = setting(
        "REDIS_HOST",
        "Redis host; use with REDIS_PORT, REDIS_DB and REDIS_PASSWORD instead of REDIS_URL.",
    )
    redis_port: fields.Port = setting("REDIS_PORT", "Redis port, used with REDIS_HOST.", 6379)
    redis_db: int = setting("REDIS_DB", "Redis database number, used with REDIS_HOST.", 0, ge=0)
    redis_password: str | None = setting(
        "REDIS_PASSWORD", "Redis password, used with REDIS_HOST.", info=SettingInfo(show="masked")
    )
    redis_url: fields.RedisUrl | None = setting(
        "REDIS_URL",
        "Redis or Valkey URL (redis, rediss, unix, or sentinel for high availability). If unset,"
        " Cinemill starts its own.",
        default_factory=fields.compose_redis_url,
        info=SettingInfo(
            show="masked_url", derived_from="redis_host", default_text="from REDIS_HOST, or unset"
        ),
    )

    celery_broker_url: fields.BrokerUrl | None = setting(
        "CELERY_BROKER_URL",
        "Celery message broker.",
        default_factory=fields.derive_broker_url,
        info=SettingInfo(show="masked_url", derived_from="redis_url", default_text="REDIS_URL"),
    )
    celery_result_backend: fields.ResultUrl | None = setting(
        "CELERY_RESULT_BACKEND",
        "Celery result backend. If unset, results are stored in PostgreSQL with the jobs.",
        info=URL,
    )
    celery_worker_concurrency: int = setting(
        "CELERY_WORKER_CONCURRENCY",
        "Number of tasks that one worker runs in parallel.",
        default_factory=lambda: min(4, fields.usable_cpus()),
        info=SettingInfo(default_text="the number of CPUs, at most 4"),
        ge=1,
        le=parsers.MOST_PROCESSES,
    )
    celery_worker_autoscale: fields.Autoscale | None = setting(
        "CELERY_WORKER_AUTOSCALE",
        "Maximum and minimum number of processes per worker, such as 4,1; scales with the load."
        " Replaces CELERY_WORKER_CONCURRENCY.",
    )
    celery_worker_pool: Literal["prefork", "solo"] = setting(
        "CELERY_WORKER_POOL", "Worker pool: 'prefork', or 'solo' for a small machine.", "prefork"
    )
    celery_task_time_limit: int = setting(
        "CELERY_TASK_TIME_LIMIT", "Seconds after which a task is killed.", 3600, ge=1
    )
    celery_task_soft_time_limit: int = setting(
        "CELERY_TASK_SOFT_TIME_LIMIT",
        "Seconds after which a task is asked to stop; must be below CELERY_TASK_TIME_LIMIT.",
        3300,
        ge=1,
    )
    render_timeout: fields.Seconds | None = setting(
        "RENDER_TIMEOUT",
        "Seconds after which a render attempt is stopped. Default: just under 6 hours.",
    )
    preview_timeout: fields.Seconds | None = setting(
        "PREVIEW_TIMEOUT", "Seconds after which a preview attempt is stopped. Default: 55 minutes."
    )
    transcode_timeout: fields.Seconds | None = setting(
        "TRANSCODE_TIMEOUT",
        "Seconds after which a transcode attempt is stopped. Default: just under 6 hours.",
    )
    caption_timeout: fields.Seconds | None = setting(
        "CAPTION_TIMEOUT",
        "Seconds after which a captioning attempt is stopped. Default: just under 6 hours.",
    )
    render_rate: int | None = setting(
        "RENDER_RATE",
        "Maximum renders started per minute across the whole installation. Default: 10.",
        ge=1,
    )
    transcode_rate: int | None = setting(
        "TRANSCODE_RATE",
        "Maximum transcodes started per minute across the whole installation. Default: 20.",
        ge=1,
    )
    caption_rate: int | None = setting(
        "CAPTION_RATE",
        "Maximum captioning jobs started per minute across the whole installation. Default: 5.",
        ge=1,
    )
    celery_task_max_retries: int = setting(
        "CELERY_TASK_MAX_RETRIES",
        "Number of times that a failed step is retried.",
        3,
        ge=0,
        le=1000,
    )
    celery_task_default_retry_delay: float = setting(
        "CELERY_TASK_DEFAULT_RETRY_DELAY",
        "Seconds before the first retry; doubles with each further retry, with jitter.",
        60,
        ge=0,
        allow_inf_nan=False,
    )

    max_crashes: int = setting(
        "CINEMILL_MAX_CRASHES",
        "Worker crashes after which a step is marked dead.",
        3,
        ge=1,
        le=1000,
    )
    lease_seconds: fields.Seconds = setting(
        "CINEMILL_LEASE_SECONDS",
        "Seconds without a heartbeat after which a worker is considered crashed.",
        60,
    )
    heartbeat_seconds: fields.Seconds = setting(
        "CINEMILL_HEARTBEAT_SECONDS",
        "Seconds between worker heartbeats; at most a third of CINEMILL_LEASE_SECONDS.",
        15,
    )
    stall_seconds: fields.Seconds = setting(
        "CINEMILL_STALL_SECONDS", "Seconds without progress after which an encoder is killed.", 120
    )
    relay_window: int = setting(
        "CINEMILL_RELAY_WINDOW",
        "Maximum messages per queue in Redis at a time.",
        8,
        ge=1,
        le=10_000,
    )
    sweep_seconds: fields.Seconds = setting(
        "CINEMILL_SWEEP_SECONDS", "Seconds between checks for unpublished and abandoned work.", 2
    )
    lost_message_seconds: fields.Seconds = setting(
        "CINEMILL_LOST_MESSAGE_SECONDS",
        "Seconds after which a published message that has been lost is published again.",
        5,
    )

    adopt_unprefixed: bool = setting(
        "CINEMILL_ADOPT_UNPREFIXED",
        "Accept jobs from Celery queues without the Cinemill key prefix that have no consumer.",
        True,
    )

    max_upload_bytes: fields.Bytes = setting(
        "CINEMILL_MAX_UPLOAD_BYTES", "Maximum upload size.", 64 * GIB, info=BYTES
    )
    max_pixels: int = setting(
        "CINEMILL_MAX_PIXELS", "Maximum frame size in pixels, width times height.", 35_389_440, ge=1
    )
    max_duration_seconds: fields.Seconds = setting(
        "CINEMILL_MAX_DURATION_SECONDS", "Maximum video duration in seconds.", 43_200
    )
    max_streams: int = setting(
        "CINEMILL_MAX_STREAMS", "Maximum number of streams in a file.", 32, ge=1
    )
    max_output_bytes: fields.Bytes = setting(
        "CINEMILL_MAX_OUTPUT_BYTES",
        "Maximum size of a file that a command may write.",
        64 * GIB,
        info=BYTES,
    )
    min_free_bytes: fields.Bytes = setting(
        "CINEMILL_MIN_FREE_BYTES",
        "Minimum free disk space; below it no work is accepted.",
        GIB,
        info=BYTES,
    )
    retention_days: int = setting(
        "CINEMILL_RETENTION_DAYS", "Days after which finished jobs are deleted.", 30, ge=1
    )
    stuck_hours: fields.Seconds = setting(
        "CINEMILL_STUCK_HOURS", "Hours after which an unfinished job is reported as stuck.", 2
    )
    ffmpeg_path: fields.Program | None = setting(
        "FFMPEG_PATH",
        "FFmpeg binary. Default: a suitable one from the system, else the bundled one.",
    )
    temp_dir: fields.Folder = setting(
        "TEMP_DIR",
        "Folder for temporary files; preferably on the same disk as CINEMILL_HOME.",
        default_factory=lambda data: data["home"] / "work",
        info=SettingInfo(derived_from="home", default_text="CINEMILL_HOME/work"),
    )
    render_dir: fields.Folder = setting(
        "RENDER_DIR",
        "Folder for renditions and renders by name; preferably on CINEMILL_HOME's disk.",
        default_factory=lambda data: data["home"] / "renders",
        info=SettingInfo(derived_from="home", default_text="CINEMILL_HOME/renders"),
    )
    preview_dir: fields.Folder = setting(
        "PREVIEW_DIR",
        "Folder for previews by name; preferably on the same disk as CINEMILL_HOME.",
        default_factory=lambda data: data["home"] / "previews",
        info=SettingInfo(derived_from="home", default_text="CINEMILL_HOME/previews"),
    )

    input_roots: fields.Folders = setting(
        "CINEMILL_INPUT_ROOTS",
        "Folders from which videos may be imported by path, separated as in PATH.",
        default_factory=fields.default_input_roots,
        info=SettingInfo(default_text="the user's home, the temporary and the current folder"),
    )

    cache_ttl_embeddings: int = setting(
        "CACHE_TTL_EMBEDDINGS", "Seconds for which embeddings are cached in Redis.", 86_400, ge=1
    )
    cuda_visible_devices: fields.Devices | None = setting(
        "CUDA_VISIBLE_DEVICES", "GPUs to use, by index or UUID. Empty: none. Unset: all."
    )
    gpu_memory_fraction: fields.Share = setting(
        "GPU_MEMORY_FRACTION", "Maximum fraction of GPU memory per worker, from 0 to 1.", 0.8
    )
    mig_enabled: bool = setting(
        "MIG_ENABLED", "Run one worker process per MIG instance of a GPU.", False
    )
    resnet50_model_path: fields.ExistingFile | None = setting(
        "RESNET50_MODEL_PATH", "Weights file of the ResNet50 detection model."
    )
    clip_model_name: str = setting(
        "CLIP_MODEL_NAME",
        "CLIP model used in detection: a model hub name or a path.",
        "openai/clip-vit-base-patch32",
        min_length=1,
    )
    ensemble_weight_resnet50: fields.Share = setting(
        "ENSEMBLE_WEIGHT_RESNET50",
        "Weight of the ResNet50 score; must sum to 1 with ENSEMBLE_WEIGHT_CLIP.",
        0.6,
    )
    ensemble_weight_clip: fields.Share = setting(
        "ENSEMBLE_WEIGHT_CLIP",
        "Weight of the CLIP score; must sum to 1 with ENSEMBLE_WEIGHT_RESNET50.",
        0.4,
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
        """Accept values from ``load`` only: direct construction reads no environment."""
        return (init_settings,)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return sentences on valid but unwise settings; empty unless created by ``load``."""
        return self._warnings

    @property
    def is_local_only(self) -> bool:
        """Return whether the HTTP API is reachable from this machine only."""
        return parsers.is_loopback(self.host)

    def describe(self) -> list[SettingRow]:
        """Return the effective value of every setting, secrets masked, in documented order."""
        return [
            SettingRow(name, format_value(getattr(self, field), info), self._source(field), meaning)
            for field, name, info, meaning in setting_fields()
        ]

    def to_environment(self) -> dict[str, str]:
        """Return the settings that were given as environment variables for a child process.

        Secrets are not masked: never log or print the result.
        """
        return {
            name_of(field): _write(getattr(self, field))
            for field in self.model_fields_set
            if getattr(self, field) is not None
        }

    def _source(self, field: str) -> str:
        if field in self.model_fields_set:
            return self._sources.get(field, "argument")
        parent = info_of(type(self).model_fields[field]).derived_from
        if parent and getattr(self, field) is not None:
            return f"derived from {name_of(parent)}"
        return "default"

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Masked too: settings end up in logs and tracebacks."""
        for field, _, info, _ in setting_fields():
            yield field, format_value(getattr(self, field), info)


def _write(value: object) -> str:
    return os.pathsep.join(map(str, value)) if isinstance(value, tuple) else str(value)


def name_of(field: str) -> str:
    """Return the public name of a field, e.g. ``CINEMILL_PORT`` for ``port``."""
    return str(Settings.model_fields[field].validation_alias)


def setting_fields() -> list[tuple[str, str, SettingInfo, str]]:
    """Return (field, public name, info, description) of every setting."""
    return [
        (
            field,
            str(model_field.validation_alias),
            info_of(model_field),
            model_field.description or "",
        )
        for field, model_field in Settings.model_fields.items()
    ]


def reference() -> list[SettingRow]:
    """Return all settings with machine-independent defaults, for the generated pages."""
    return [
        SettingRow(
            name,
            info.default_text or format_value(Settings.model_fields[field].default, info),
            "default",
            meaning,
        )
        for field, name, info, meaning in setting_fields()
    ]
