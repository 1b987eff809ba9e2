"""Celery's consumer behind a guard: no message's content ends it, and no message disappears.

A message that cannot become a task is moved to the dead letters with the reason. The relay stores
it and, if it was meant to be a job, fails that job with the reason, so that a client that waits for
the result gets one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import WorkerLostError
from celery.utils.log import get_logger as get_celery_logger
from celery.worker.request import Request
from celery.worker.state import revoked as revoked_tasks
from kombu.message import Message

from cinemill.core.dead_messages import DeadMessage
from cinemill.core.job import Failure
from cinemill.errors import CinemillError, InputRejected
from cinemill.jobs.adoption.revocation import begin_cancelling
from cinemill.storage.jobs.refused_messages import RefusedMessages
from cinemill.telemetry import get_logger
from cinemill.worker.messages.broker_connection import PatientConsumer
from cinemill.worker.messages.envelope import excerpt, is_name
from cinemill.worker.messages.guard import REVOKED_HEADER, MessageGuard, MessageRefused
from cinemill.worker.messages.refusals import RefusalTolerantQoS

log = get_logger(__name__)
celery_log = get_celery_logger(__name__)


class GuardedConsumer(PatientConsumer):
    """The consumer of our workers, named by the setting ``worker_consumer``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        context = self.app.context
        self._guard = MessageGuard(context.catalog.jobs, self.app.tasks)
        self._refused = RefusedMessages(context.redis_url)
        self.handled_count = 0
        """The number of messages taken so far, whether they became tasks or not."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], None]:
        """Wrap Celery's handler, which is called with messages that the guard has admitted."""
        handle = super().create_task_handler(*args, **kwargs)
        connection_faults = (*self.connection_errors, *self.conninfo.channel_errors)

        def handle_admitted(message: Message) -> None:
            self.handled_count += 1
            try:
                self._guard.admit(message)
                handle(message)
            except MessageRefused as refused:
                self.move_to_dead_letters(message, refused)
            except connection_faults:
                raise
            except Exception as error:
                log.exception("a message could not be processed")
                self.move_to_dead_letters(message, _describe_fault(message, error))

        return handle_admitted

    def move_to_dead_letters(self, message: Message, refused: MessageRefused) -> None:
        """Store the reason and an excerpt of the message, then remove it from the broker."""
        dead = _make_dead_message(message, refused)
        log.warning(
            "a message was moved to the dead letters",
            why=dead.failure.message,
            code=dead.failure.code,
            task=dead.task,
            task_id=dead.task_id,
            queue=dead.queue,
        )
        try:
            self._refused.put(dead)
        except CinemillError as error:
            log.warning("a dead message was left with the broker", why=error.message)
            _leave_with_broker(message)
            return
        if not message.acknowledged:
            message.ack_log_error(celery_log, self.connection_errors)

    def on_unknown_message(self, body: Any, message: Message) -> None:
        self.move_to_dead_letters(message, _describe_fault(message))

    def on_unknown_task(self, body: Any, message: Message, exc: BaseException) -> None:
        self.move_to_dead_letters(message, _describe_fault(message, exc))

    def on_invalid_task(self, body: Any, message: Message, exc: BaseException) -> None:
        self.move_to_dead_letters(message, _describe_fault(message, exc))


class JobRequest(Request):
    """A message of which a job is made, whatever happens.

    Marks one whose process died, as opposed to one that a task requeues. One that was revoked
    becomes a cancelled job: Celery would drop the only record of it.
    """

    def revoked(self) -> bool:
        if self.id in revoked_tasks:
            self._request_dict[REVOKED_HEADER] = True
        return False

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, WorkerLostError):
            self._message.ended_its_process = True
        result = super().on_failure(exc_info, *args, **kwargs)
        if self.id in revoked_tasks and REVOKED_HEADER not in self._request_dict:
            # Revoked while it was adopted: there may have been no job to cancel.
            begin_cancelling(self.task.app.context.service, [self.id], terminate=False)
        return result


def _leave_with_broker(message: Message) -> None:
    """Have the message delivered again later, since it could not be stored anywhere."""
    if isinstance(message.channel.qos, RefusalTolerantQoS):
        message.channel.qos.leave(message.delivery_tag)
    elif not message.acknowledged:
        message.requeue()


def _make_dead_message(message: Message, refused: MessageRefused) -> DeadMessage:
    error, body = refused.error, message.body
    content = body if isinstance(body, bytes | str) else b""
    info = message.delivery_info
    queue = info.get("routing_key") if isinstance(info, dict) else ""
    return DeadMessage.make(
        queue=str(queue or "")[:200],
        task=refused.task,
        task_id=refused.task_id,
        failure=Failure(error.code, error.message, error.hint, retryable=False),
        excerpt=excerpt(content),
        size_bytes=len(content) if refused.size_bytes is None else refused.size_bytes,
        followers=refused.followers,
    )


def _describe_fault(message: Message, error: BaseException | None = None) -> MessageRefused:
    why = f" ({type(error).__name__})" if error is not None else ""
    refusal = InputRejected(
        f"Celery cannot create a task from this message{why}.",
        code="message_malformed",
        hint="Send it with a Celery client, protocol 2.",
    )
    headers = message.headers if isinstance(message.headers, dict) else {}
    task, task_id = (
        str(headers[name]) if is_name(headers.get(name)) else "" for name in ("task", "id")
    )
    return MessageRefused(refusal, task=task, task_id=task_id)
