"""Progress for watchers, through Redis.

PostgreSQL is written first; an event that is lost costs a watcher a moment, never a job its state.
One Lua call writes the stream (whose ids let a watcher resume), the status key, and the channels.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError, ResponseError

from cinemill.core.documents import JsonObject
from cinemill.core.job import FINAL_JOB_STATES, Progress
from cinemill.errors import RedisUnavailable
from cinemill.jobs.catalog import Catalog, JobKind
from cinemill.storage.adoption.results import result_key
from cinemill.storage.redis_servers import (
    Outage,
    drop_refusing,
    is_wrong_type,
    measure_fullness,
    open_async_redis,
    open_redis,
)
from cinemill.storage.redis_trial import find_refusal, find_refusal_async

RESOURCES_KEY = "system_resources"
RESOURCES_CHANNEL = "resource_monitor"
RESOURCES_TTL_SECONDS = 60
"""Longer than from one measurement to the next: a key that is gone says that nobody measures."""
EVENTS_KEPT = 500
EVENT_TTL_SECONDS = 24 * 3600
EVENTS_KEPT_AT_END = 10
"""Of a job that has ended: for a watcher who was cut off just now. An hour of progress takes 93 kB,
and nobody looks at it again."""
END_TTL_SECONDS = 3600
LEAST_INTERVAL_SECONDS = 0.25
PAUSE_AFTER_FAULT_SECONDS = 1.0
GATHER_SECONDS = 5.0
"""Two notes of all runs of a job, and a second: see ``heartbeat.NOTE_SECONDS``. By then each knows
what the others had shown before Redis lost it."""
SOCKET_TIMEOUT_SECONDS = 2.0
NEARLY_FULL = 0.8
"""Of its memory; when it is full, Redis refuses messages and events."""

LARGEST_EVENT_BYTES = 64 * 1024
"""Of ours, a message of 2,000 characters is the most."""
LARGEST_STREAM_BYTES = 64 * 1024**2
"""500 events of ours take 3 MB at most."""
_MEMBERS: Mapping[str, tuple[type, ...]] = {
    "status": (str,),
    "progress": (int, float),
    "message": (str,),
    "stage": (str,),
}

_FINAL = frozenset(state.value for state in FINAL_JOB_STATES)

# KEYS: stream, status key. ARGV: the JSON up to the percentage, the percentage, the rest of the
# JSON, entries kept, seconds that the stream lives and that the key lives, entries left of the
# stream (0: all), 1 where the last event must be there, then the channels. A run of a job learns
# only now and then what the others have done, so that its event may be behind one of theirs: none
# shows less than the one before. A stream gives memory back by whole nodes of a hundred entries, so
# that one which is cut short is written again. What is no stream, or ends with the last possible
# ID, was written by somebody else, and makes way.
_PUBLISH = """
local progress = ARGV[2]
local last = redis.pcall('GET', KEYS[2])
if type(last) == 'string' then
  local is_json, before = pcall(cjson.decode, last)
  local shown = is_json and type(before) == 'table' and before.progress
  if type(shown) == 'number' and shown > tonumber(progress) and shown <= 100
      and before.status ~= 'completed' then
    progress = string.format('%.1f', shown)
  end
elseif last == false and ARGV[8] == '1' then
  return 0
end
local document = ARGV[1] .. progress .. ARGV[3]
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'stream' and kind ~= 'none' then redis.call('DEL', KEYS[1]) end
local function add()
  return redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', 'data', document)
end
local added = add()
if kind == 'stream' and added.err and string.find(added.err, 'last possible ID') then
  redis.call('DEL', KEYS[1])
  added = add()
end
if added.err then return added end
if tonumber(ARGV[7]) > 0 then
  local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[7])
  redis.call('DEL', KEYS[1])
  for i = #last, 1, -1 do
    local fields = last[i][2]
    if #fields == 2 then redis.call('XADD', KEYS[1], last[i][1], fields[1], fields[2]) end
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('SET', KEYS[2], document, 'EX', ARGV[6])
for i = 9, #ARGV do redis.call('PUBLISH', ARGV[i], document) end
return 1
"""


_PERCENTAGE = '"progress": '


def _split_document(progress: Progress) -> tuple[str, str, str]:
    """Return an event's JSON as what comes before its percentage, that, and what comes after."""
    document = json.dumps(progress.to_json(), ensure_ascii=False)
    # Within a text of the document its quotes would be escaped.
    before, key, rest = document.partition(_PERCENTAGE)
    percentage = json.dumps(progress.to_json()["progress"])
    return before + key, percentage, rest.removeprefix(percentage)


def stream_key(job_id: str) -> str:
    return f"task_events:{job_id}"


HEALTH_KEYS = ("cinemill:health", stream_key("health"))
"""What a trial writes: no job has this id."""


def status_key(job_id: str) -> str:
    return f"task_status:{job_id}"


def channels(job_id: str, kind: JobKind[Any] | None) -> tuple[str, ...]:
    """Of every job, and the second one of a kind that has one."""
    usual = f"task_progress:{job_id}"
    if kind is None or kind.second_channel is None:
        return (usual,)
    return (usual, f"{kind.second_channel}:{job_id}")


@dataclass(frozen=True, slots=True)
class Event:
    """``id`` is the stream's: give it back as Last-Event-ID to go on after it."""

    id: str
    progress: dict[str, Any]


class EventPublisher:
    """Publishes progress events, at most four times a second for each job.

    Never raises: work goes on without Redis. For a second after a fault Redis is not even tried,
    and one that keeps its callers waiting not before it answers again.
    """

    def __init__(self, redis_url: str, *, catalog: Catalog) -> None:
        """``catalog`` says which kinds of job have a channel of their own."""
        self._kinds = catalog.jobs
        self._redis = open_redis(
            redis_url,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
            health_check_interval=10,
        )
        self._publish = self._redis.register_script(_PUBLISH)
        self._published_at: dict[str, float] = {}
        self._lost_at: dict[str, float] = {}
        """When it was found that Redis had lost the last event of a job."""
        self._outage = Outage(redis_url, self._redis.ping, pause_seconds=PAUSE_AFTER_FAULT_SECONDS)

    def publish(self, progress: Progress, *, is_first: bool = True) -> bool:
        """Publish, unless this job had an event just now; return whether it was sent.

        ``is_first`` is whether it may be the job's first one. If it is not and Redis has lost the
        one before, as after a flush, nothing is published for some seconds: another run may have
        shown more than this one knows of.
        """
        now = time.monotonic()
        if now - self._published_at.get(progress.job_id, 0.0) < LEAST_INTERVAL_SECONDS:
            return False
        lost_at = self._lost_at.get(progress.job_id, now)
        must_follow = not is_first and now - lost_at < GATHER_SECONDS
        return self._send(progress, now, must_follow=must_follow)

    def publish_now(self, progress: Progress) -> bool:
        """Publish even if another event was published just now: for a change of state or an end."""
        return self._send(progress, time.monotonic(), must_follow=False)

    def _send(self, progress: Progress, now: float, *, must_follow: bool) -> bool:
        """Publish; nothing where it ``must_follow`` an event that Redis does not have."""
        if self._outage.is_on():
            return False
        # Only jobs of this moment are held back; the table stays as short as that.
        self._published_at = {
            job_id: published_at
            for job_id, published_at in self._published_at.items()
            if now - published_at < LEAST_INTERVAL_SECONDS
        }
        self._published_at[progress.job_id] = now
        is_end = progress.status in _FINAL
        arguments: list[str | int] = [
            *_split_document(progress),
            EVENTS_KEPT,
            END_TTL_SECONDS if is_end else EVENT_TTL_SECONDS,
            EVENT_TTL_SECONDS,
            EVENTS_KEPT_AT_END if is_end else 0,
            int(must_follow),
            *channels(progress.job_id, self._kinds.get(progress.job_kind)),
        ]
        try:
            is_sent = bool(
                self._publish(
                    keys=[stream_key(progress.job_id), status_key(progress.job_id)], args=arguments
                )
            )
        except RedisError as error:
            drop_refusing(self._redis, error)
            # From now, not from before: it may have taken the whole timeout to fail.
            self._outage.begin(time.monotonic() - now)
            return False
        self._note_loss(progress.job_id, now, is_lost=not is_sent)
        return is_sent

    def _note_loss(self, job_id: str, now: float, *, is_lost: bool) -> None:
        if is_lost:
            self._lost_at.setdefault(job_id, now)
        elif self._lost_at:
            # Those of jobs that no run of this process goes on with too.
            self._lost_at = {
                other: lost_at
                for other, lost_at in self._lost_at.items()
                if other != job_id and now - lost_at < 2 * GATHER_SECONDS
            }

    def publish_resources(self, measured: JsonObject) -> bool:
        """Publish what a machine has left; whether it went out."""
        document = json.dumps(measured)
        if self._outage.is_on():
            return False
        asked_at = time.monotonic()
        try:
            with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.set(RESOURCES_KEY, document, ex=RESOURCES_TTL_SECONDS)
                pipeline.publish(RESOURCES_CHANNEL, document)
                pipeline.execute()
        except RedisError as error:
            drop_refusing(self._redis, error)
            self._outage.begin(time.monotonic() - asked_at)
            return False
        return True

    def judge_health(self) -> str:
        """Return ``ok``, ``nearly_full``, ``refusing`` or ``unavailable``, as ``/health`` does."""
        try:
            if find_refusal(self._redis, HEALTH_KEYS) is not None:
                self._redis.connection_pool.disconnect(inuse_connections=False)
                return "refusing"
        except RedisError:
            return "unavailable"
        return "nearly_full" if self._measure_fullness() >= NEARLY_FULL else "ok"

    def _measure_fullness(self) -> float:
        try:
            return measure_fullness(self._redis.info("memory")) or 0.0
        except RedisError:
            return 0.0  # an access list may forbid to ask

    def forget(self, job_id: str) -> None:
        """Remove what Redis keeps of a job."""
        with suppress(RedisError):
            self._redis.delete(stream_key(job_id), status_key(job_id), result_key(job_id))

    def close(self) -> None:
        self._redis.close()


class EventReader:
    """The watchers' side, for asyncio."""

    def __init__(self, redis_url: str) -> None:
        self._redis = open_async_redis(redis_url, socket_connect_timeout=SOCKET_TIMEOUT_SECONDS)

    async def read_status(self, job_id: str) -> dict[str, Any] | None:
        """Return the latest event's JSON; None where there is none. Raises RedisUnavailable."""
        try:
            document = await self._redis.getrange(status_key(job_id), 0, LARGEST_EVENT_BYTES)
        except RedisError as error:
            if is_wrong_type(error):
                return None
            raise RedisUnavailable("Redis does not respond.") from error
        return parse_progress(document, job_id) or None

    async def judge_health(self) -> str:
        """``ok``, ``nearly_full``, or ``refusing`` where Redis answers and refuses what we need.

        Raises RedisUnavailable where it does not answer.
        """
        try:
            if await find_refusal_async(self._redis, HEALTH_KEYS) is not None:
                await self._redis.connection_pool.disconnect(inuse_connections=False)
                return "refusing"
        except RedisError as error:
            raise RedisUnavailable("Redis does not respond.") from error
        return "nearly_full" if await self._measure_fullness() >= NEARLY_FULL else "ok"

    async def _measure_fullness(self) -> float:
        try:
            return measure_fullness(await self._redis.info("memory")) or 0.0
        except RedisError:
            return 0.0  # an access list may forbid to ask

    async def forget(self, job_id: str) -> None:
        """Remove what Redis keeps of a job that was deleted; without Redis it expires in a day."""
        with suppress(RedisError):
            await self._redis.delete(stream_key(job_id), status_key(job_id), result_key(job_id))

    async def read_after(self, job_id: str, after_id: str, *, block_seconds: float) -> list[Event]:
        """Events after that id, waiting for the first; empty after ``block_seconds``.

        ``0`` reads from the beginning. Of an entry that is no event of ours, ``progress`` is empty:
        whoever reads on must know its id. Raises RedisUnavailable, also where the stream is none or
        too large to be ours.
        """
        key = stream_key(job_id)
        try:
            if await self._is_oversized(key):
                raise RedisUnavailable("What Redis holds of this job is no stream of events.")
            answer = await self._redis.xread(
                {key: after_id}, count=100, block=max(1, int(block_seconds * 1000))
            )
        except RedisError as error:
            raise RedisUnavailable("Redis does not respond.") from error
        streams = answer.values() if isinstance(answer, dict) else [rows for _, rows in answer]
        return [_read_entry(row, job_id) for rows in streams for row in _flatten(rows)]

    async def _is_oversized(self, key: str) -> bool:
        """Return whether reading the stream could take more memory than the server has."""
        try:
            return (await self._redis.memory_usage(key) or 0) > LARGEST_STREAM_BYTES
        except ResponseError:
            return False  # an access list may forbid to ask

    async def follow(
        self, job_id: str, *, after_id: str = "0", block_seconds: float = 2.0
    ) -> AsyncIterator[Event | None]:
        """Events as they come, None after each silence of ``block_seconds``. Raises as above."""
        while True:
            events = await self.read_after(job_id, after_id, block_seconds=block_seconds)
            for event in events:
                after_id = event.id
                yield event
            if not events:
                yield None

    async def close(self) -> None:
        await self._redis.aclose()


def _flatten(rows: Any) -> Any:
    # RESP3 nests the entries of a stream once more than RESP2 does.
    return rows[0] if rows and isinstance(rows[0], list) else rows


def _read_entry(row: Any, job_id: str) -> Event:
    entry_id, fields = row
    return Event(entry_id.decode("ascii"), parse_progress(fields.get(b"data", b""), job_id))


def parse_progress(document: str | bytes, job_id: str) -> dict[str, Any]:
    """Return the JSON of a job's event; empty for what a watcher could not be sent.

    Anybody may write into Redis: bytes that are no text, JSON of another form, numbers that JSON
    does not have, half of a surrogate pair.
    """
    if len(document) > LARGEST_EVENT_BYTES:
        return {}
    try:
        progress = json.loads(document)
        json.dumps(progress, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return {}
    if not isinstance(progress, dict) or not all(
        isinstance(progress.get(name), kinds) for name, kinds in _MEMBERS.items()
    ):
        return {}
    return {**progress, "task_id": job_id}
