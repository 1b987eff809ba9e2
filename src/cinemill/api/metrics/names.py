"""The metrics: names, labels, and what they say. The reference page is written from this list."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

OTHER = "other"
"""The value of a label where the real one is not among those that this version knows: kinds of
packages that are no longer installed, for example. The number of series stays bounded."""
STAGES = (
    *("look_up", "intake", "probe", "analyze", "illustrate"),
    *("models", "index", "shots", "frames", "faces", "features"),
)
"""Stages of an analysis: its steps, and the parts of ``analyze``."""


class MetricType(StrEnum):
    """Prometheus' types."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric family."""

    name: str
    type: MetricType
    meaning: str
    """For people who read it in Prometheus or Grafana."""
    labels: tuple[str, ...] = ()


def _counter(name: str, meaning: str, *labels: str) -> MetricSpec:
    return MetricSpec(f"cinemill_{name}_total", MetricType.COUNTER, meaning, labels)


def _gauge(name: str, meaning: str, *labels: str) -> MetricSpec:
    return MetricSpec(f"cinemill_{name}", MetricType.GAUGE, meaning, labels)


def _histogram(name: str, meaning: str, *labels: str) -> MetricSpec:
    return MetricSpec(f"cinemill_{name}_seconds", MetricType.HISTOGRAM, meaning, labels)


BUILD = _gauge("build_info", "Always 1; the label has the version of the API.", "version")
UP = _gauge(
    "component_up",
    "1 if the component answered this scrape in time, else 0, and its metrics are missing:"
    " postgresql, redis.",
    "component",
)
ROUND_TRIP = _gauge(
    "component_round_trip_seconds",
    "Time from the API to the component and back.",
    "component",
)

JOBS = _gauge("jobs", "Jobs in the database by kind and state.", "kind", "state")
QUEUE_RUNS = _gauge(
    "queue_runs",
    "Attempts that have not ended, by queue: waiting (they could start now), delayed (such as"
    " retries whose time has not come), running.",
    "queue",
    "state",
)
QUEUE_OLDEST = _gauge(
    "queue_oldest_waiting_seconds",
    "How long the attempt that waits longest has waited in this queue; 0 if none waits.",
    "queue",
)
QUEUE_WORKERS = _gauge("queue_workers", "Live workers that take work from this queue.", "queue")
ATTEMPTS = _counter(
    "attempts",
    "Attempts at steps that ended, by kind of step and outcome.",
    "step",
    "outcome",
)
ATTEMPT_SECONDS = _histogram("attempt", "Duration of attempts that succeeded.", "step")
WAIT_SECONDS = _histogram(
    "queue_wait", "Time that attempts waited before they started, by queue.", "queue"
)
DEAD_STEPS = _gauge("dead_steps", "Steps that used up their attempts, and wait for a person.")
DEAD_MESSAGES = _gauge("dead_messages", "Messages that could not become a job.")

RELAY_SILENCE = _gauge(
    "relay_silent_seconds",
    "How long no relay has looked for work. Above 30 none runs; without the metric none ever has.",
)

WORKERS = _gauge("workers", "Workers that have reported within the last 30 seconds.")
WORKER_SLOTS = _gauge("worker_slots", "Tasks that the worker works on at a time.", "worker")
WORKER_BUSY = _gauge("worker_busy", "Tasks that the worker works on now.", "worker")
WORKER_MEMORY = _gauge(
    "worker_memory_bytes",
    "Resident memory of all the worker's processes and of the commands that they run. Memory that"
    " several of them share is counted for each.",
    "worker",
)
ENCODERS = _gauge(
    "encoder_serving",
    "1 if the worker's hardware encoder is in service, 0 if it is suspended after failures.",
    "worker",
    "encoder",
)

ANALYSES = _counter(
    "analyses",
    "Analyses that reached a result: cache is hit (answered from cached features or results),"
    " miss (examined), unused (no detector is installed).",
    "cache",
)
ANALYSIS_SECONDS = _histogram(
    "analysis", "Processing time of analyses, as the metric cinemill_analyses_total.", "cache"
)
STAGE_SECONDS = _histogram(
    "analysis_stage",
    "Time of each stage of analyses: look_up, intake, probe, analyze, illustrate; within analyze:"
    " models (fetching them), index, shots, frames (extracting them), faces (finding them),"
    " features (inference of the models).",
    "stage",
)
FRAMES = _counter("analysis_frames", "Frames that analyses examined.")
VERDICTS = _gauge("analyses_stored", "Analyses in the database by verdict.", "verdict")
REVIEWS = _gauge("reviews_waiting", "Analyses that wait for a person's review.")

GPUS = _gauge("gpus", "GPUs and MIG instances on the machines of live workers.")
GPU_USE = _gauge(
    "gpu_utilization_ratio", "Use of the GPU, 0 to 1, where the driver says it.", "host", "gpu"
)
GPU_USED = _gauge("gpu_memory_used_bytes", "Memory of the GPU in use.", "host", "gpu")
GPU_MEMORY = _gauge("gpu_memory_bytes", "Memory of the GPU.", "host", "gpu")
GPU_INFO = _gauge("gpu_info", "Always 1; the label has the name of the GPU.", "host", "gpu", "name")

TRANSACTIONS = _counter(
    "database_transactions",
    "Transactions of all clients by outcome: commit, rollback.",
    "outcome",
)
ACTIVE_SECONDS = _counter(
    "database_active_seconds",
    "Time that PostgreSQL spent on statements, of all connections together; by transaction it is"
    " their mean duration.",
)
DEADLOCKS = _counter("database_deadlocks", "Deadlocks that PostgreSQL resolved.")
BLOCKS = _counter(
    "database_blocks",
    "Blocks read by PostgreSQL: from its cache, or from the system (disk).",
    "source",
)
CONNECTIONS = _gauge("database_connections", "Connections to the database by state.", "state")
MOST_CONNECTIONS = _gauge(
    "database_connections_limit", "Connections that PostgreSQL accepts, for all its databases."
)

REDIS_USED = _gauge("redis_memory_used_bytes", "Memory that Redis uses.")
REDIS_LIMIT = _gauge("redis_memory_limit_bytes", "Memory that Redis may use; 0 for no limit.")
REDIS_CLIENTS = _gauge("redis_clients", "Connections to Redis.")
REDIS_COMMANDS = _counter("redis_commands", "Commands that Redis has processed.")
REDIS_EVICTED = _counter("redis_evicted_keys", "Keys that Redis removed to free memory.")
CACHE_LOOKUPS = _counter(
    "cache_lookups",
    "Lookups in the caches of analyses, results and embeddings: hit, miss, damaged (an entry that"
    " was not what was written), unavailable (Redis did not respond; counted once it does).",
    "cache",
    "outcome",
)

METRICS = (
    *(BUILD, UP, ROUND_TRIP),
    *(JOBS, QUEUE_RUNS, QUEUE_OLDEST, QUEUE_WORKERS, ATTEMPTS, ATTEMPT_SECONDS, WAIT_SECONDS),
    *(DEAD_STEPS, DEAD_MESSAGES, RELAY_SILENCE, WORKERS, WORKER_SLOTS, WORKER_BUSY, WORKER_MEMORY),
    ENCODERS,
    *(ANALYSES, ANALYSIS_SECONDS, STAGE_SECONDS, FRAMES, VERDICTS, REVIEWS),
    *(GPUS, GPU_USE, GPU_USED, GPU_MEMORY, GPU_INFO),
    *(TRANSACTIONS, ACTIVE_SECONDS, DEADLOCKS, BLOCKS, CONNECTIONS, MOST_CONNECTIONS),
    *(REDIS_USED, REDIS_LIMIT, REDIS_CLIENTS, REDIS_COMMANDS, REDIS_EVICTED),
    CACHE_LOOKUPS,
)
