"""Tasks sent by Celery have the same limits as jobs from the HTTP API."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.worker.conftest import Stack

from cinemill.errors import InputRejected

MIB = 1 << 20


def nest(depth: int) -> Any:
    document: Any = []
    for _ in range(depth - 1):
        document = [document]
    return document


@pytest.mark.parametrize(
    ("args", "kwargs", "code"),
    [
        (["x" * (100 * MIB)], {}, "params_too_large"),
        (["x" * 5000], {}, "path_invalid"),
        ([{"a": 1}], {}, "path_invalid"),
        ([nest(252)], {}, "params_too_deep"),
        ([nest(100_000)], {}, "params_too_deep"),
        ([], {"asset_id": {"a": 1}}, "asset_id_invalid"),
        ([], {"asset_id": "x" * MIB}, "asset_id_invalid"),
        (["film\x00.mp4"], {}, "path_invalid"),
        (["film\udcff.mp4"], {}, "path_invalid"),
    ],
    ids=lambda value: value if isinstance(value, str) else "given",
)
def test_celery_arguments_that_cannot_be_stored_are_refused_before_sending(
    stack: Stack, args: list[Any], kwargs: dict[str, Any], code: str
) -> None:
    before = stack.service.get_queue_stats()["total"]
    with pytest.raises(InputRejected) as refused:
        stack.app.tasks["process_video"].apply_async(args=args, kwargs=kwargs)
    assert refused.value.code == code
    assert stack.service.get_queue_stats()["total"] == before


@pytest.mark.parametrize("task_id", ["x" * 1000, "a\x00b"])
def test_celery_task_id_that_cannot_be_stored_is_refused(stack: Stack, task_id: str) -> None:
    with pytest.raises(InputRejected) as refused:
        stack.app.tasks["process_video"].apply_async(args=["film.mp4"], task_id=task_id)
    assert refused.value.code == "job_id_invalid"
