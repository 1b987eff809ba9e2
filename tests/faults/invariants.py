"""Invariants that hold at the end, whatever happened. Each check yields the violations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from tests.faults.context import FaultContext
from tests.faults.queries import is_poison

from cinemill.capabilities.operations.retention import remove_broken_uploads, remove_orphans
from cinemill.capabilities.operations.verify import verify_files
from cinemill.capabilities.operations.work_folders import remove_abandoned_work
from cinemill.storage.media.files import LocalFiles

Check = Callable[[FaultContext], Iterator[str]]
BROKER_PREFIX = "cinemill:"


def nothing_lost(context: FaultContext) -> Iterator[str]:
    """Check that every accepted job has a row, and that every job has ended."""
    rows = {str(row["id"]): row for row in context.queries.fetch("SELECT id, kind, state FROM job")}
    for job_id, submission in context.submitter.submissions.items():
        if job_id not in rows:
            what = f"{submission.kind}, {submission.entry_point}"
            yield f"job {job_id} ({what}) was accepted and has no row"
    for job_id, row in rows.items():
        if row["state"] in ("pending", "running"):
            yield f"job {job_id} ({row['kind']}) is still {row['state']}"


def states_right(context: FaultContext) -> Iterator[str]:
    """Check that each job ended in an expected state, with the expected reason and result."""
    for row in _ordered_jobs(context):
        submission = context.submitter.submissions[row["id"]]
        found = f"{row['state']} ({row['code']})"
        if row["state"] not in submission.states:
            yield f"{row['kind']} {row['id']} ended {found}, not {sorted(submission.states)}"
        elif submission.code is not None and row["code"] != submission.code:
            yield f"{row['kind']} {row['id']} ended {found}, not {submission.code}"
        elif (
            submission.value is not None and (row["result"] or {}).get("value") != submission.value
        ):
            yield f"fan-in {row['id']} found {row['result']}, not {submission.value}"


def effects_once(context: FaultContext) -> Iterator[str]:
    """Check that each step that succeeded took effect once, in its committed attempt only."""
    query = """
        SELECT step.id, step.kind, step.state,
          (SELECT count(*) FROM drill_effect AS e WHERE e.step_id = step.id) AS effects,
          (SELECT count(*) FROM asset WHERE filename = 'effect-' || step.id) AS files,
          (SELECT count(*) FROM run WHERE run.step_id = step.id AND state = 'succeeded') AS commits,
          (SELECT count(*) FROM drill_effect AS e JOIN run ON run.token = e.token
           WHERE e.step_id = step.id AND run.state <> 'succeeded') AS foreign_effects
        FROM step
    """
    for row in context.queries.fetch(query):
        wanted = 1 if row["state"] == "succeeded" else 0
        marks = wanted if row["kind"].startswith("drill") else 0
        found = (row["commits"], row["effects"], row["files"], row["foreign_effects"])
        if found != (wanted, marks, marks, 0):
            yield f"step {row['id']} ({row['kind']}, {row['state']}): commits, effects, … {found}"


def poison_stopped(context: FaultContext) -> Iterator[str]:
    """Check that poison died after exactly its limit of attempts, and counters match the rows."""
    query = """
        SELECT step.id, step.job_id, step.kind, step.failures, step.crashes, step.max_failures,
               step.max_crashes, count(*) FILTER (WHERE run.state IN ('failed', 'rejected')) AS bad,
               count(*) FILTER (WHERE run.state = 'crashed') AS crashed
        FROM step LEFT JOIN run ON run.step_id = step.id GROUP BY step.id
    """
    for row in context.queries.fetch(query):
        counted = {"failures": row["bad"], "crashes": row["crashed"]}
        submission = context.submitter.submissions.get(row["job_id"])
        if (row["failures"], row["crashes"]) != (row["bad"], row["crashed"]):
            yield f"step {row['id']} counts {row['failures']}/{row['crashes']}, its runs {counted}"
        if row["failures"] > row["max_failures"] or row["crashes"] > row["max_crashes"]:
            yield f"step {row['id']} ({row['kind']}) had too many attempts: {counted}"
        if submission is not None and submission.expected_attempts is not None:
            counter, limit = submission.expected_attempts
            if counted[counter] != limit:
                yield f"poison {row['kind']} died after {counted}, not after {limit} {counter}"


def innocents_spared(context: FaultContext) -> Iterator[str]:
    """Check that only killed, frozen or disconnected attempts, and poison, count as crashed."""
    query = "SELECT id, kind, worker FROM run WHERE state = 'crashed'"
    for row in context.queries.fetch(query):
        pid = int(str(row["worker"]).rpartition(":")[2])
        if pid not in context.affected_pids and not is_poison(row["kind"]):
            yield f"run {row['id']} ({row['kind']}) of {row['worker']} crashed for no reason"


def nothing_stranded(context: FaultContext) -> Iterator[str]:
    """Check that no run and no step of an ended job still waits or works."""
    query = """
        SELECT run.id, run.kind, run.state, run.publish_count, job.state AS job
        FROM run JOIN job ON job.id = run.job_id WHERE run.state IN ('queued', 'running')
    """
    for row in context.queries.fetch(query):
        yield (
            f"run {row['id']} ({row['kind']}) of a {row['job']} job is {row['state']}, "
            f"published {row['publish_count']} times"
        )
    query = "SELECT count(*) FROM run WHERE failure ->> 'code' = 'internal_error'"
    if unexpected := context.queries.count(query):
        yield f"{unexpected} tries ended with an unexpected error"


def queues_empty(context: FaultContext) -> Iterator[str]:
    """Check that no message is left on a queue that is served."""
    with redis.Redis.from_url(context.cluster.servers.redis_url, decode_responses=True) as client:
        for key in client.scan_iter(f"{BROKER_PREFIX}*"):
            if client.type(key) == "list" and "caption" not in key:
                yield f"{client.llen(key)} messages are left in {key}"


def no_processes(context: FaultContext) -> Iterator[str]:
    """Check that none of our processes runs after everything was stopped."""
    for process in context.cluster.processes():
        yield f"process {process.pid} ({process.name()}) is left"


def no_files(context: FaultContext) -> Iterator[str]:
    """Check that after garbage collection no work folder, orphan or missing file is left."""
    files = LocalFiles(context.cluster.home / "objects")
    # Ages count from where the relay's calendar is, which follows a clock that was set but slowly.
    context.queries.change("DELETE FROM engine_clock")
    orphans, _ = remove_orphans(context.cluster.database, files, grace_seconds=0)
    uploads, _ = remove_broken_uploads(files, grace_seconds=0)
    work = context.cluster.home / "work"
    abandoned = len(_list(work))
    remove_abandoned_work(context.cluster.database, work)
    context.figures["collected: work folders of killed tries"] = [float(abandoned)]
    context.figures["collected: files of dropped tries"] = [float(orphans)]
    context.figures["collected: broken uploads and copies"] = [float(uploads)]
    report = verify_files(context.cluster.database, files, grace_seconds=0)
    for name in ("missing", "damaged", "orphans"):
        for sha256 in getattr(report, name):
            yield f"{name}: {sha256}"
    for path in _list(work):
        yield f"work folder {path.name} is left"
    for path, _ in files.walk_incoming():
        yield f"incoming file {path.name} is left"


def servers_content(context: FaultContext) -> Iterator[str]:
    """Check that PostgreSQL never had to break a deadlock."""
    logs = context.cluster.folder.glob("servers/log*/postgres.log")
    for log in logs:
        count = log.read_text("utf-8", "replace").count("deadlock detected")
        if count:
            yield f"{count} deadlocks"


def resumed_in_time(context: FaultContext) -> Iterator[str]:
    """Check that the same step is claimed again within a lease and five seconds after a kill.

    The time counts from the last reset of leases if PostgreSQL or a relay was frozen in between.

    If the message of the next attempt was lost as well, with a worker that died, two faults hit the
    same step, and each new message may take as long as the sweeper needs. The same holds if the
    message went to a disconnected worker, which holds it until it can claim or another one has
    claimed the sweeper's copy.
    """
    limit = context.cluster.plan.lease_seconds + 5.0
    for resumption in measure_resumptions(context):
        was_held = any(
            began < resumption.claimed_at and ended > resumption.published_at
            for began, ended in context.cuts
        )
        lost = max(resumption.publish_count - 1, int(was_held))
        name = RESUMED if not lost else RESUMED_AFTER_LOSS
        context.figures.setdefault(name, []).append(resumption.seconds)
        if not lost:
            context.figures.setdefault(OFFERED, []).append(resumption.published)
        if resumption.seconds > limit + lost * LOST_MESSAGE_SECONDS:
            yield str(resumption)


_WAITED = """
SELECT id, kind, queue, publish_count, extract(epoch FROM run_at)::float8 AS due,
       extract(epoch FROM started_at)::float8 AS claimed
FROM run WHERE started_at IS NOT NULL AND kind NOT IN
    ('drill_probe', 'drill_unserved', 'drill_rated')
"""
"""Of these kinds, one has a single worker, which is cut off, one has none, and one waits for Redis
to be there again, as its own fault measures."""


def nothing_waits(context: FaultContext) -> Iterator[str]:
    """Check that no run that was due waited longer than a lease and ten seconds, outages apart.

    Whatever the fault was: once it is over, or where it concerns other work, a run is claimed in
    this time. A message that was lost with a killed worker may take a sweep more, each time.
    """
    limit = context.cluster.plan.lease_seconds + AFTERWARDS_SECONDS
    longest = 0.0
    for row in context.queries.fetch(_WAITED):
        due, claimed = (context.to_own_time(row[name]) for name in ("due", "claimed"))
        seconds = claimed - due - _down_seconds(context, due, claimed)
        longest = max(longest, seconds)
        if seconds > limit + max(0, row["publish_count"] - 1) * LOST_MESSAGE_SECONDS:
            yield f"run {row['id']} ({row['kind']}, {row['queue']}) waited {seconds:.1f} s"
    context.figures["due to claimed, outages apart: the longest"] = [longest]


AFTERWARDS_SECONDS = 10.0
"""Plus a lease: within this time everything must be served again once a fault is over."""
WAITS = "nothing waits"
LOST_MESSAGE_SECONDS = 8.0
"""The age at which a message may count as lost, a sweep, and the delivery to a worker."""
OFFERED = "kill to published again"
RESUMED_AFTER_LOSS = "the same, its message lost too"
RESUMED = "kill to claimed again"

CHECKS: dict[str, Check] = {
    "0 lost": nothing_lost,
    "right states": states_right,
    "0 duplicate effects": effects_once,
    "poison dead at its limit": poison_stopped,
    "no innocent crashed": innocents_spared,
    "nothing stranded": nothing_stranded,
    "queues drained": queues_empty,
    "0 deadlocks": servers_content,
    "resumed in time": resumed_in_time,
    WAITS: nothing_waits,
}
"""Checks while the instance still runs; ``FINAL_CHECKS`` come last."""

FINAL_CHECKS: dict[str, Check] = {"orphan processes": no_processes, "orphan files": no_files}


@dataclass(frozen=True)
class Resumption:
    """The attempt that followed a killed one; times in seconds since the kill."""

    fault: str
    step_id: str
    seconds: float
    """Until the next claim, without the time in which servers were down; counted from the last
    reset of leases, if there was one in between."""
    crashed: float
    due: float
    published: float
    publish_count: int
    claimed: float
    published_at: float
    """Unix seconds."""
    claimed_at: float

    def __str__(self) -> str:
        return (
            f"{self.fault}: step {self.step_id} claimed again after {self.seconds:.1f} s (closed "
            f"{self.crashed:.1f}, due {self.due:.1f}, published {self.published:.1f} for the "
            f"{self.publish_count}. time, claimed {self.claimed:.1f})"
        )


_RESUMPTION = """
SELECT extract(epoch FROM run.ended_at)::float8 AS crashed, after.publish_count,
       extract(epoch FROM after.run_at)::float8 AS due,
       extract(epoch FROM after.published_at)::float8 AS published,
       extract(epoch FROM after.started_at)::float8 AS claimed
FROM run JOIN run AS after ON after.step_id = run.step_id AND after.attempt = run.attempt + 1
WHERE run.id = :id AND run.state = 'crashed' AND after.started_at IS NOT NULL
"""


def measure_resumptions(context: FaultContext) -> Iterator[Resumption]:
    """Yield the resumption of each killed attempt that was retried."""
    for kill in context.kills:
        for found in context.queries.fetch(_RESUMPTION, id=kill.run_id):
            publish_count = int(found["publish_count"])
            times = ("crashed", "due", "published", "claimed")
            row = {name: context.to_own_time(found[name]) for name in times}
            resets = [at for at in context.leases_reset_at if kill.at < at < row["crashed"]]
            since = max([kill.at, *resets])
            down = _down_seconds(context, since, row["claimed"])
            yield Resumption(
                fault=kill.fault,
                step_id=kill.step_id,
                seconds=row["claimed"] - since - down,
                crashed=row["crashed"] - kill.at,
                due=row["due"] - kill.at,
                published=row["published"] - kill.at,
                publish_count=publish_count,
                claimed=row["claimed"] - kill.at,
                published_at=row["published"],
                claimed_at=row["claimed"],
            )


def _down_seconds(context: FaultContext, since: float, until: float) -> float:
    """Return the seconds of outage in between; overlapping outages count once."""
    down, reached = 0.0, since
    for began, ended in sorted(context.outages):
        began, ended = max(began, reached), min(ended, until)
        if ended > began:
            down += ended - began
            reached = ended
    return down


def count_runs(context: FaultContext) -> Counter[str]:
    rows = context.queries.fetch("SELECT state, count(*) AS count FROM run GROUP BY state")
    return Counter({str(row["state"]): int(row["count"]) for row in rows})


def _ordered_jobs(context: FaultContext) -> list[Any]:
    query = "SELECT id, kind, state, failure ->> 'code' AS code, result FROM job"
    return [
        row for row in context.queries.fetch(query) if row["id"] in context.submitter.submissions
    ]


def _list(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []
