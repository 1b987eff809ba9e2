"""The faults by name, and the timetable by which they are played."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from tests.faults import on_batches, on_database, on_jobs, on_redis, on_servers, on_workers
from tests.faults.context import Fault, FaultContext

FAULTS: dict[str, Callable[[FaultContext], Fault]] = {
    "worker_tree_killed": on_workers.worker_tree_killed,
    "pool_child_killed": on_workers.pool_child_killed,
    "process_frozen": on_workers.process_frozen,
    "main_frozen": on_workers.main_frozen,
    "redis_killed": on_servers.redis_killed,
    "redis_flushed": on_servers.redis_flushed,
    "redis_out_of_memory": on_redis.redis_out_of_memory,
    "redis_read_only": on_redis.redis_read_only,
    "second_redis_away": on_redis.second_redis_away,
    "redis_half_open": on_workers.cut_from_redis,
    "postgres_killed": on_servers.postgres_killed,
    "cut_from_postgres": on_workers.cut_from_postgres,
    "row_locked": on_database.row_locked,
    "table_locked": on_database.table_locked,
    "postgres_paused": on_database.postgres_paused,
    "database_clock_stepped": on_database.database_clock_stepped,
    "pooler": on_database.pooler,
    "api_killed": on_servers.api_killed,
    "messages_tripled": on_servers.messages_tripled,
    "two_beats": on_servers.two_beats,
    "cancel_at_every_stage": on_jobs.cancel_at_every_stage,
    "cancel_after_restart": on_jobs.cancel_after_restart,
    "batch_cancel_cut": on_batches.batch_cancel_cut,
    "time_limits": on_jobs.time_limits,
    "rolling_restart": on_workers.rolling_restart,
    "disk_full": on_workers.disk_full,
    "clock_off": on_workers.clock_off,
    "poison_by_kill": on_jobs.poison_by_kill,
    "poison_by_wedge": on_jobs.poison_by_wedge,
    "poison_by_memory": on_jobs.poison_by_memory,
    "poison_by_hanging": on_jobs.poison_by_hanging,
}

LONG = (
    "cut_from_postgres",
    "second_redis_away",
    "batch_cancel_cut",
    "redis_half_open",
    "poison_by_wedge",
    "rolling_restart",
    "clock_off",
    "pooler",
    "poison_by_hanging",
)
KILLS = ("pool_child_killed", "worker_tree_killed")


@dataclass(frozen=True)
class Size:
    """The size of a drill."""

    jobs: int
    kills: int
    kill_every_seconds: float
    rounds: int
    """How often each of the other faults is played."""
    min_kills: int
    """The number of kills that must be reached."""


SIZES = {
    "full": Size(jobs=1000, kills=215, kill_every_seconds=3.2, rounds=3, min_kills=200),
    "short": Size(jobs=120, kills=15, kill_every_seconds=5.0, rounds=1, min_kills=12),
}


def plan_timetable(random: Random, size: Size, only: Sequence[str] = ()) -> list[tuple[float, str]]:
    """Return (seconds from the start, fault), ordered by time; equal for equal seed and size."""
    length = size.kills * size.kill_every_seconds
    timetable: list[tuple[float, str]] = []
    for index in range(size.kills):
        name = random.choices(KILLS, weights=(2, 1))[0]
        timetable.append((index * size.kill_every_seconds, name))
    others = [name for name in FAULTS if name not in KILLS]
    slot = length / (size.rounds * len(others))
    for round_number in range(size.rounds):
        random.shuffle(others)
        others.sort(key=lambda name: name not in LONG)  # stable: the long ones first
        start = round_number * length / size.rounds
        timetable += [(start + index * slot, name) for index, name in enumerate(others)]
    return sorted(entry for entry in timetable if not only or entry[1] in only)
