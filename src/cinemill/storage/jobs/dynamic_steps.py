"""Steps that a step in its last moment adds to its job: how a job grows by what was found."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from cinemill.core.job import ClaimedRun
from cinemill.storage.ids import make_id
from cinemill.storage.jobs.new_jobs import NewStep, step_row
from cinemill.storage.json_columns import json_parameter

# One statement; the new rows wait for their parent, whose end comes next and queues them. What
# waited for the parent waits for them too, and to them goes its share of the progress. The row of
# a job that is cancelled is left to the end of the run: it is changed once, see
# ``recovery.request_cancel``.
_GROW = """
WITH planned AS (
    SELECT * FROM jsonb_to_recordset(:steps) AS plan (
        id text, name text, kind text, queue text, hardware text, params jsonb,
        weight float8, deps_remaining int, max_failures int, max_crashes int, position int)
), lightened AS (
    UPDATE step SET weight = 0 WHERE id = :parent_id RETURNING position
), lowered AS (
    UPDATE job SET work_done = greatest(0, job.work_done - step.weight * step.progress)
    FROM step WHERE step.id = :parent_id AND job.id = step.job_id AND step.progress > 0
      AND job.state IN ('pending', 'running') AND job.cancel_requested_at IS NULL
), waiting AS (
    SELECT step_id AS id FROM step_dependency WHERE depends_on = :parent_id
), put_off AS (
    UPDATE step SET position = step.position + more.count,
           deps_remaining = deps_remaining
               + CASE WHEN id IN (SELECT id FROM waiting) THEN more.count ELSE 0 END
    FROM (SELECT count(*)::int AS count FROM planned) AS more, lightened
    WHERE job_id = :job_id AND step.position > lightened.position
), inserted AS (
    INSERT INTO step (id, job_id, position, name, kind, queue, hardware, state, params, weight,
                      deps_remaining, max_failures, max_crashes)
    SELECT planned.id, :job_id, lightened.position + 1 + planned.position, planned.name,
           planned.kind, planned.queue, planned.hardware, 'waiting', planned.params, planned.weight,
           planned.deps_remaining + 1, planned.max_failures, planned.max_crashes
    FROM planned CROSS JOIN lightened RETURNING id
), edges AS (
    SELECT edge.step_id, edge.depends_on
    FROM jsonb_to_recordset(:edges) AS edge (step_id text, depends_on text)
    UNION ALL SELECT id, :parent_id FROM inserted
    UNION ALL SELECT waiting.id, inserted.id FROM waiting CROSS JOIN inserted
    UNION ALL SELECT inserted.id, step_dependency.depends_on
              FROM inserted CROSS JOIN step_dependency WHERE step_dependency.step_id = :parent_id
)
INSERT INTO step_dependency (step_id, depends_on) SELECT step_id, depends_on FROM edges
"""


def add_steps(connection: Connection, run: ClaimedRun, steps: Sequence[NewStep]) -> None:
    """Put ``steps`` between the run's step and those that wait for it.

    Each comes after that step, after those of the others that it names, and finds the results that
    the step itself found. To be called within the transaction that ends the run, before its end.
    """
    if not steps:
        return
    ids = {step.spec.name: make_id() for step in steps}
    edges = [
        {"step_id": ids[step.spec.name], "depends_on": ids[name]}
        for step in steps
        for name in step.spec.after
    ]
    rows = [step_row(step, ids, position) for position, step in enumerate(steps)]
    connection.execute(
        text(_GROW).bindparams(json_parameter("steps"), json_parameter("edges")),
        {"steps": rows, "edges": edges, "job_id": run.job_id, "parent_id": run.step_id},
    )
