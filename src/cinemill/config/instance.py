"""Settings of Cinemill's own processes: folders, servers, limits, work and models."""

from __future__ import annotations

from typing import Literal

from pydantic import ByteSize, SecretStr
from pydantic_settings import BaseSettings

from cinemill.config import checks, fields, parsers
from cinemill.config.fields import GIB, setting


class InstanceSettings(BaseSettings):
    """The part of :class:`~.model.Settings` that needs no service of others."""

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
    public_url: fields.PublicUrls | None = setting("CINEMILL_PUBLIC_URL")
    """Where people open Cinemill through a proxy, such as https://media.example.com/cinemill;
    several with commas between them, the first of which is printed."""
    trusted_proxies: fields.Proxies | None = setting("CINEMILL_TRUSTED_PROXIES")
    """Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed,
    such as 127.0.0.1,10.0.0.0/8. Default: nobody's."""
    flower_port: fields.Port = setting("FLOWER_PORT", 5555)
    """Port that Flower listens on, at 127.0.0.1, if it is started."""
    auth: checks.Auth = setting("CINEMILL_AUTH", "token")
    """'token' requires the token in CINEMILL_HOME/token; 'off' is allowed on loopback only."""
    log_level: Literal["debug", "info", "warning", "error"] = setting("CINEMILL_LOG_LEVEL", "info")
    """Log level: debug, info, warning or error."""
    sandbox: Literal["auto", "off", "require"] = setting("CINEMILL_SANDBOX", "auto")
    """Run FFmpeg in bubblewrap: 'auto' if available, 'require' to fail without it, or 'off'."""

    database_url: fields.DatabaseUrl | None = setting("DATABASE_URL")
    """PostgreSQL with pgvector. If unset, Cinemill starts its own."""
    database_direct_url: checks.DirectUrl = setting("DATABASE_DIRECT_URL")
    """PostgreSQL itself, or a pool in session mode, where DATABASE_URL leads to a pooler in
    transaction mode, such as PgBouncer."""
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
    """Redis to which results are copied for clients of Celery's own backend. Default: REDIS_URL.
    Cinemill reads them from PostgreSQL, where they are stored with the jobs."""
    celery_worker_concurrency: int = setting(
        "CELERY_WORKER_CONCURRENCY",
        default_factory=fields.default_concurrency,
        default_text="the number of CPUs, at most 4 and one for each GiB of memory",
        ge=1,
        le=parsers.MAX_PROCESSES,
    )
    """Number of tasks that one worker runs in parallel."""
    celery_worker_autoscale: fields.Autoscale | None = setting("CELERY_WORKER_AUTOSCALE")
    """Maximum and minimum number of processes per worker, such as 4,1; scales with the load.
    Replaces CELERY_WORKER_CONCURRENCY."""
    celery_worker_pool: checks.Pool = setting("CELERY_WORKER_POOL", "prefork")
    """Worker pool: 'prefork', or 'solo' for a small machine."""
    celery_task_time_limit: int = setting("CELERY_TASK_TIME_LIMIT", 3600, ge=2)
    """Seconds after which a task is killed."""
    celery_task_soft_time_limit: checks.SoftLimit = setting(
        "CELERY_TASK_SOFT_TIME_LIMIT",
        default_factory=fields.derive_soft_limit,
        derived_from="celery_task_time_limit",
        default_text="a sixth below CELERY_TASK_TIME_LIMIT, at most 300 s",
    )
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
    c2pa_trust_anchors: fields.Certificates | None = setting("CINEMILL_C2PA_TRUST_ANCHORS")
    """File of certificates (PEM) whose signatures in content credentials (C2PA) are trusted.
    Default: none, so that every signer is reported as untrusted."""
    picture_model: str = setting("CINEMILL_PICTURE_EMBEDDING", "clip-vit-b16-int8", min_length=1)
    """Model that turns key frames into vectors, by its name in 'cinemill models list'. Another one
    is filled next to the present one before searches use it."""
