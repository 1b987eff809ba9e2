"""How a service can fail, whichever it is: each failure has a code that never changes."""

from __future__ import annotations

from cinemill.errors import DependencyUnavailable, InputRejected, WorkFailed


class ProviderUnavailable(DependencyUnavailable):
    """The service did not respond, or reported a fault of its own."""

    code = "provider_unavailable"
    hint = "No action is needed; it is retried. If it stays, see the service's status page."


class ProviderThrottled(ProviderUnavailable):
    """The service accepts no more requests for now; ask again after ``delay_seconds``."""

    code = "provider_throttled"
    hint = "No action is needed; it is retried later. The service's quotas can be raised there."

    def __init__(self, message: str, *, delay_seconds: float) -> None:
        super().__init__(message)
        self.delay_seconds = delay_seconds


class ProviderDenied(DependencyUnavailable):
    """The credentials are missing, wrong, or do not permit the request."""

    code = "provider_denied"
    is_retryable = False
    hint = "Check the service's credentials and permissions, then retry the job."


class ProviderRejected(InputRejected):
    """The service does not accept this request or this video, and never will."""

    code = "provider_rejected"
    hint = "Read the service's reason, then choose another provider or another video."


class ProviderJobFailed(WorkFailed):
    """The service accepted the video and could not analyze it."""

    code = "provider_job_failed"
    hint = "Read the service's reason, then retry the job or choose another provider."


class ProviderReplyInvalid(WorkFailed):
    """A reply is incomplete, contradicts an earlier one, or is not what the service documents.

    Nothing of it is used: half of a result would look like all of it.
    """

    code = "provider_reply_invalid"
    hint = "Retry the job. If it stays, the service has changed: report the code and the message."
