"""The settings: one frozen model, each field with its public name and its description."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import ByteSize, PrivateAttr, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from cinemill.config import checks, fields, parsers
from cinemill.config.description import SettingRow, format_value
from cinemill.config.fields import GIB, setting
from cinemill.docstrings import read_docstrings


class Settings(BaseSettings):
    """All settings. Create an instance with :func:`cinemill.config.load`.

    A direct construction checks the same rules, and reads neither environment nor file. Dumps and
    the representation mask all secrets; only the attributes and ``to_environment`` hold them.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        hide_input_in_errors=True,
        case_sensitive=True,
        enable_decoding=False,
    )

    home: fields.Folder = setting(
        "CINEMILL_HOME",
        default_factory=fields.default_home,
        default_text="the user's data folder, e.g. ~/.local/share/cinemill",
    )
    """Data folder for videos, records, logs and passwords. Created with mode 0700."""
    settings_file: fields.ExistingFile | None = setting("CINEMILL_SETTINGS_FILE")
    """Settings file. Default: CINEMILL_HOME/settings.toml or settings.json, if one exists."""
    host: fields.Host = setting("CINEMILL_HOST", "127.0.0.1")
    """Address that the HTTP API listens on."""
    port: fields.Port = setting("CINEMILL_PORT", 8420)
    """Port that the HTTP API listens on."""
    auth: checks.Auth = setting("CINEMILL_AUTH", "token")
    """'token' requires the token in CINEMILL_HOME/token; 'off' is allowed on loopback only."""
    log_level: Literal["debug", "info", "warning", "error"] = setting("CINEMILL_LOG_LEVEL", "info")
    """Log level: debug, info, warning or error."""
    sandbox: Literal["auto", "off", "require"] = setting("CINEMILL_SANDBOX", "auto")
    """Run FFmpeg in bubblewrap: 'auto' if available, 'require' to fail without it, or 'off'."""

    database_url: fields.DatabaseUrl | None = setting("DATABASE_URL")
    """PostgreSQL with pgvector. If unset, Cinemill starts its own."""
    database_pool_size: int = setting("DATABASE_POOL_SIZE", 5, ge=1, le=500)
    """Maximum database connections per process."""
    qdrant_url: fields.QdrantUrl | None = setting("CINEMILL_QDRANT_URL")
    """Qdrant server that proposes the nearest passages of large libraries, such as
    http://127.0.0.1:6333. Unset: PostgreSQL's own index is searched."""
    qdrant_key: SecretStr | None = setting("CINEMILL_QDRANT_KEY")
    """API key of that server, if it needs one."""
    redis_host: fields.Host | None = setting("REDIS_HOST")
    """Redis host; use with REDIS_PORT, REDIS_DB and REDIS_PASSWORD instead of REDIS_URL."""
    redis_port: fields.Port = setting("REDIS_PORT", 6379)
    """Redis port, used with REDIS_HOST."""
    redis_db: int = setting("REDIS_DB", 0, ge=0)
    """Redis database number, used with REDIS_HOST."""
    redis_password: SecretStr | None = setting("REDIS_PASSWORD")
    """Redis password, used with REDIS_HOST."""
    redis_url: fields.RedisUrl | None = setting(
        "REDIS_URL",
        default_factory=fields.compose_redis_url,
        derived_from="redis_host",
        default_text="from REDIS_HOST, or unset",
    )
    """Redis or Valkey URL (redis, rediss, unix, or sentinel for high availability). If unset,
    Cinemill starts its own."""

    celery_broker_url: fields.BrokerUrl | None = setting(
        "CELERY_BROKER_URL",
        default_factory=fields.derive_broker_url,
        derived_from="redis_url",
        default_text="REDIS_URL",
    )
    """Celery message broker."""
    celery_result_backend: fields.ResultUrl | None = setting("CELERY_RESULT_BACKEND")
    """Celery result backend. If unset, results are stored in PostgreSQL with the jobs."""
    celery_worker_concurrency: int = setting(
        "CELERY_WORKER_CONCURRENCY",
        default_factory=lambda: min(4, fields.usable_cpus()),
        default_text="the number of CPUs, at most 4",
        ge=1,
        le=parsers.MAX_PROCESSES,
    )
    """Number of tasks that one worker runs in parallel."""
    celery_worker_autoscale: fields.Autoscale | None = setting("CELERY_WORKER_AUTOSCALE")
    """Maximum and minimum number of processes per worker, such as 4,1; scales with the load.
    Replaces CELERY_WORKER_CONCURRENCY."""
    celery_worker_pool: checks.Pool = setting("CELERY_WORKER_POOL", "prefork")
    """Worker pool: 'prefork', or 'solo' for a small machine."""
    celery_task_time_limit: fields.Count = setting("CELERY_TASK_TIME_LIMIT", 3600)
    """Seconds after which a task is killed."""
    celery_task_soft_time_limit: checks.SoftLimit = setting("CELERY_TASK_SOFT_TIME_LIMIT", 3300)
    """Seconds after which a task is asked to stop; must be below CELERY_TASK_TIME_LIMIT."""
    render_timeout: fields.Seconds | None = setting("RENDER_TIMEOUT")
    """Seconds after which a render attempt is stopped. Default: just under 6 hours."""
    preview_timeout: fields.Seconds | None = setting("PREVIEW_TIMEOUT")
    """Seconds after which a preview attempt is stopped. Default: 55 minutes."""
    transcode_timeout: fields.Seconds | None = setting("TRANSCODE_TIMEOUT")
    """Seconds after which a transcode attempt is stopped. Default: just under 6 hours."""
    caption_timeout: fields.Seconds | None = setting("CAPTION_TIMEOUT")
    """Seconds after which a captioning attempt is stopped. Default: just under 6 hours."""
    render_rate: fields.Count | None = setting("RENDER_RATE")
    """Maximum renders started per minute across the whole installation. Default: 10."""
    transcode_rate: fields.Count | None = setting("TRANSCODE_RATE")
    """Maximum transcodes started per minute across the whole installation. Default: 20."""
    caption_rate: fields.Count | None = setting("CAPTION_RATE")
    """Maximum captioning jobs started per minute across the whole installation. Default: 5."""
    celery_task_max_retries: int = setting("CELERY_TASK_MAX_RETRIES", 3, ge=0, le=1000)
    """Number of times that a failed step is retried."""
    celery_task_default_retry_delay: float = setting(
        "CELERY_TASK_DEFAULT_RETRY_DELAY", 60, ge=0, allow_inf_nan=False
    )
    """Seconds before the first retry; doubles with each further retry, with jitter."""

    max_crashes: int = setting("CINEMILL_MAX_CRASHES", 3, ge=1, le=1000)
    """Worker crashes after which a step is marked dead."""
    lease_seconds: fields.Seconds = setting("CINEMILL_LEASE_SECONDS", 60)
    """Seconds without a heartbeat after which a worker is considered crashed."""
    heartbeat_seconds: checks.Heartbeat = setting("CINEMILL_HEARTBEAT_SECONDS", 15)
    """Seconds between worker heartbeats; at most a third of CINEMILL_LEASE_SECONDS."""
    stall_seconds: fields.Seconds = setting("CINEMILL_STALL_SECONDS", 120)
    """Seconds without progress after which an encoder is killed."""
    relay_window: int = setting("CINEMILL_RELAY_WINDOW", 8, ge=1, le=10_000)
    """Maximum messages per queue in Redis at a time."""
    sweep_seconds: fields.Seconds = setting("CINEMILL_SWEEP_SECONDS", 2)
    """Seconds between checks for unpublished and abandoned work."""
    lost_message_seconds: fields.Seconds = setting("CINEMILL_LOST_MESSAGE_SECONDS", 5)
    """Seconds after which a published message that has been lost is published again."""

    adopt_unprefixed: bool = setting("CINEMILL_ADOPT_UNPREFIXED", True)
    """Accept jobs from Celery queues without the Cinemill key prefix that have no consumer."""

    max_upload_bytes: fields.Bytes = setting("CINEMILL_MAX_UPLOAD_BYTES", ByteSize(64 * GIB))
    """Maximum upload size."""
    max_pixels: fields.Count = setting("CINEMILL_MAX_PIXELS", 35_389_440)
    """Maximum frame size in pixels, width times height."""
    max_duration_seconds: fields.Seconds = setting("CINEMILL_MAX_DURATION_SECONDS", 43_200)
    """Maximum video duration in seconds."""
    max_streams: fields.Count = setting("CINEMILL_MAX_STREAMS", 32)
    """Maximum number of streams in a file."""
    max_output_bytes: fields.Bytes = setting("CINEMILL_MAX_OUTPUT_BYTES", ByteSize(64 * GIB))
    """Maximum size of a file that a command may write."""
    min_free_bytes: fields.Bytes = setting("CINEMILL_MIN_FREE_BYTES", ByteSize(GIB))
    """Minimum free disk space; below it no work is accepted."""
    retention_days: fields.Count = setting("CINEMILL_RETENTION_DAYS", 30)
    """Days after which finished jobs, expired analyses and unused conversations are deleted."""
    stuck_hours: fields.Seconds = setting("CINEMILL_STUCK_HOURS", 2)
    """Hours after which an unfinished job is reported as stuck."""
    fetch_models: bool = setting("CINEMILL_FETCH_MODELS", True)
    """Download a missing model when a job first needs it; if false, such a job fails and names the
    command that downloads it."""
    ffmpeg_path: fields.Program | None = setting("FFMPEG_PATH")
    """FFmpeg binary. Default: a suitable one from the system, else the bundled one."""
    temp_dir: fields.Folder = setting(
        "TEMP_DIR",
        default_factory=lambda data: data["home"] / "work",
        derived_from="home",
        default_text="CINEMILL_HOME/work",
    )
    """Folder for temporary files; preferably on the same disk as CINEMILL_HOME."""
    render_dir: fields.Folder = setting(
        "RENDER_DIR",
        default_factory=lambda data: data["home"] / "renders",
        derived_from="home",
        default_text="CINEMILL_HOME/renders",
    )
    """Folder for renditions and renders by name; preferably on CINEMILL_HOME's disk."""
    preview_dir: fields.Folder = setting(
        "PREVIEW_DIR",
        default_factory=lambda data: data["home"] / "previews",
        derived_from="home",
        default_text="CINEMILL_HOME/previews",
    )
    """Folder for previews by name; preferably on the same disk as CINEMILL_HOME."""

    input_roots: fields.Folders = setting(
        "CINEMILL_INPUT_ROOTS",
        default_factory=fields.default_input_roots,
        default_text="the user's home, the temporary and the current folder",
    )
    """Folders from which videos may be imported by path, separated as in PATH."""

    cache_ttl_embeddings: fields.Count = setting(
        "CACHE_TTL_EMBEDDINGS", 86_400, le=parsers.MAX_TTL_SECONDS
    )
    """Seconds for which embeddings are cached in Redis."""
    cache_ttl_results: fields.Count = setting(
        "CACHE_TTL_RESULTS", 604_800, le=parsers.MAX_TTL_SECONDS
    )
    """Seconds for which the results of analyses are cached in Redis. Default: 7 days."""
    cuda_visible_devices: fields.Devices | None = setting("CUDA_VISIBLE_DEVICES")
    """GPUs to use, by index or UUID. Empty: none. Unset: all."""
    gpu_memory_fraction: fields.Share = setting("GPU_MEMORY_FRACTION", 0.8)
    """Maximum fraction of a GPU's memory per worker, from 0 to 1; its processes on that GPU share
    it equally. For several workers on one GPU the fractions must sum to less than 1."""
    mig_enabled: bool = setting("MIG_ENABLED", False)
    """Run one process per MIG instance of a GPU, over all workers of CINEMILL_HOME; processes for
    which none is free use the CPU."""
    resnet50_model_path: fields.ExistingFile | None = setting("RESNET50_MODEL_PATH")
    """ONNX file of the ResNet50 detection model. Default: the published weights."""
    clip_model_name: fields.ModelName = setting("CLIP_MODEL_NAME", "openai/clip-vit-base-patch32")
    """CLIP model used in detection: a model hub name, or the path of an ONNX file of its image
    tower."""
    ensemble_weight_resnet50: fields.Share = setting("ENSEMBLE_WEIGHT_RESNET50", 0.6)
    """Weight of the ResNet50 score; must sum to 1 with ENSEMBLE_WEIGHT_CLIP."""
    ensemble_weight_clip: checks.ClipWeight = setting("ENSEMBLE_WEIGHT_CLIP", 0.4)
    """Weight of the CLIP score; must sum to 1 with ENSEMBLE_WEIGHT_RESNET50."""

    text_model: str = setting("CINEMILL_TEXT_EMBEDDING", "minilm-l6-v2-int8", min_length=1)
    """Model that turns passages and questions into vectors, by its name in 'cinemill models list'.
    Another one is filled next to the present one before searches use it."""
    names_file: fields.ExistingFile | None = setting("CINEMILL_NAMES_FILE")
    """Text file of names that your videos mention, each on a line after its kind, such as
    'person Alice Walker'. Speech recognition is given those that fit, so that it hears them, and
    they go before names that the parser finds. On every worker."""
    language_model_url: fields.HttpUrl | None = setting("CINEMILL_LANGUAGE_MODEL_URL")
    """Server of the language model that writes answers, up to its version, such as
    http://127.0.0.1:8000/v1. Default: Anthropic's own with CINEMILL_LANGUAGE_MODEL_API
    'anthropic', else none."""
    language_model_key: SecretStr | None = setting("CINEMILL_LANGUAGE_MODEL_KEY")
    """Key for that server, where it requires one."""
    language_model_api: Literal["openai", "anthropic"] = setting(
        "CINEMILL_LANGUAGE_MODEL_API", "openai"
    )
    """Protocol of that server: 'openai' (also vLLM, llama.cpp, Ollama, NIM) or 'anthropic'."""
    language_model: checks.LanguageModelName | None = setting("CINEMILL_LANGUAGE_MODEL")
    """Name of the language model on that server. Unset: answers are quotations from the videos."""
    language_model_entities: checks.LanguageModelUse = setting(
        "CINEMILL_LANGUAGE_MODEL_ENTITIES", False
    )
    """Have the language model find the entities of videos, in any language: all that is said and
    read in a video is sent to it. Off: a parser on the worker finds them in English."""
    language_model_input_dollars: fields.Dollars | None = setting(
        "CINEMILL_LANGUAGE_MODEL_INPUT_DOLLARS"
    )
    """Price of a million tokens that the language model reads about entities; 0 for a server of
    your own. Where it is unset, a cap on dollars refuses every request about them."""
    language_model_output_dollars: fields.Dollars | None = setting(
        "CINEMILL_LANGUAGE_MODEL_OUTPUT_DOLLARS"
    )
    """Price of a million tokens that it writes."""

    c2pa_trust_anchors: fields.Certificates | None = setting("CINEMILL_C2PA_TRUST_ANCHORS")
    """File of certificates (PEM) whose signatures in content credentials (C2PA) are trusted.
    Default: none, so that every signer is reported as untrusted."""
    picture_model: str = setting("CINEMILL_PICTURE_EMBEDDING", "clip-vit-b16-int8", min_length=1)
    """Model that turns key frames into vectors, by its name in 'cinemill models list'. Another one
    is filled next to the present one before searches use it."""

    aws_region: str | None = setting("AWS_REGION")
    """Region of Amazon Rekognition and of its bucket. Unset: as AWS' own tools find it."""
    rekognition_bucket: str | None = setting("REKOGNITION_BUCKET")
    """S3 bucket to which videos are uploaded for Rekognition. Unset: Rekognition is not used. The
    keys come from where AWS' own tools find them."""
    rekognition_prefix: str = setting("REKOGNITION_PREFIX", "cinemill/")
    """What the names of these objects begin with; they are deleted after the analysis."""
    rekognition_topic: str | None = setting("REKOGNITION_TOPIC")
    """ARN of an SNS topic on which Rekognition announces that it is done; use with
    REKOGNITION_ROLE. Cinemill asks Rekognition with or without it."""
    rekognition_role: checks.TopicRole = setting("REKOGNITION_ROLE")
    """ARN of the role with which Rekognition may write to REKOGNITION_TOPIC."""
    rekognition_minute_dollars: fields.Dollars | None = setting("REKOGNITION_MINUTE_DOLLARS")
    """Price of a minute of video, for each thing that Rekognition looks for. Default: the list
    prices that Cinemill knows."""
    nvidia_base_url: fields.HttpUrl | None = setting("NVIDIA_BASE_URL")
    """Server of a vision model: a NIM container, or any other that is compatible with OpenAI's
    chat. Unset: NVIDIA is not used, unless NVIDIA_INPUT is 'asset'."""
    nvidia_api_key: SecretStr | None = setting("NVIDIA_API_KEY")
    """Key of that server, if it needs one."""
    nvidia_model: str | None = setting("NVIDIA_MODEL")
    """Model to ask for. Unset: the only one that the server has."""
    nvidia_input: Literal["clip", "frames", "asset"] = setting("NVIDIA_INPUT", "clip")
    """What the model is sent: 'clip' for Cosmos, 'frames' for any model that sees images, or
    'asset' for the VILA that NVIDIA hosts."""
    nvidia_assets_url: fields.HttpUrl = setting("NVIDIA_ASSETS_URL", "https://api.nvcf.nvidia.com")
    """Where clips are uploaded with NVIDIA_INPUT 'asset', and where late answers are asked for."""
    nvidia_request_dollars: fields.Dollars | None = setting("NVIDIA_REQUEST_DOLLARS")
    """Price of a request; 0 for a server of your own. Where it is unset, a cap on dollars refuses
    every request, since nobody knows what it costs."""
    provider_dollars_per_video: fields.Dollars | None = setting("PROVIDER_DOLLARS_PER_VIDEO")
    """Maximum that services may cost for one video, by estimate. Unset: no limit."""
    provider_dollars_per_day: fields.Dollars | None = setting("PROVIDER_DOLLARS_PER_DAY")
    """Maximum that one service may cost in a day (UTC), by estimate. Unset: no limit."""
    provider_requests_per_day: fields.Count | None = setting("PROVIDER_REQUESTS_PER_DAY")
    """Maximum requests to a vision model's server in a day (UTC), and as many to a language model's
    about entities. Unset: no limit."""

    _sources: Mapping[str, str] = PrivateAttr(default_factory=dict)
    _warnings: tuple[str, ...] = PrivateAttr(default=())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the source of a direct construction, which reads no environment and no file."""
        return (init_settings,)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return sentences on valid but unwise settings; empty unless created by ``load``."""
        return self._warnings

    @property
    def is_local_only(self) -> bool:
        """Return whether the HTTP API is reachable from this machine only."""
        return parsers.is_loopback(self.host)

    @property
    def is_qdrant_plain(self) -> bool:
        """Return whether Qdrant is on another machine and reached over plain HTTP."""
        address = urlsplit(self.qdrant_url or "")
        return address.scheme == "http" and not parsers.is_loopback(address.hostname or "")

    @property
    def ensemble_weights(self) -> dict[str, float] | None:
        """Return the weights of the detection models by name, None if nobody set any."""
        fields_by_name = {"resnet50": "ensemble_weight_resnet50", "clip": "ensemble_weight_clip"}
        if not self.model_fields_set.intersection(fields_by_name.values()):
            return None
        return {name: getattr(self, field) for name, field in fields_by_name.items()}

    def describe(self) -> list[SettingRow]:
        """Return the effective value of every setting, secrets masked, in documented order."""
        dump, meanings = self.model_dump(mode="json"), read_docstrings(Settings)
        return [
            SettingRow(
                name,
                format_value(dump[field]),
                self._source(field),
                " ".join(meanings[field].split()),
            )
            for name, field in public_names().items()
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
            return self._sources.get(name_of(field), "argument")
        parent = _extra(field, "derived_from")
        return f"derived from {name_of(parent)}" if parent and getattr(self, field) else "default"

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield masked values: settings end up in logs and tracebacks."""
        yield from ((k, format_value(v)) for k, v in self.model_dump(mode="json").items())


def _write(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return os.pathsep.join(map(str, value)) if isinstance(value, tuple) else str(value)


def _extra(field: str, key: str) -> str:
    extra = Settings.model_fields[field].json_schema_extra
    return str(extra[key]) if isinstance(extra, dict) else ""


def name_of(field: str) -> str:
    """Return the public name of a field, e.g. ``CINEMILL_PORT`` for ``port``."""
    return str(Settings.model_fields[field].validation_alias)


@cache
def public_names() -> dict[str, str]:
    """Return the field of every public name, in documented order."""
    return {name_of(field): field for field in Settings.model_fields}


def reference() -> list[SettingRow]:
    """Return all settings with machine-independent defaults, for the generated pages."""
    return [
        replace(
            row,
            value_masked=_extra(public_names()[row.name], "default_text") or row.value_masked,
            source="default",
        )
        for row in Settings().describe()
    ]
