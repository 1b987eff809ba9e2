"""What is refused of a connection before any route sees its request."""

from __future__ import annotations

from cinemill.api.http.framing import MAX_HEAD_BYTES, MAX_HEADERS
from cinemill.errors import CinemillError, DependencyUnavailable, InputRejected

MAX_TARGET_BYTES = 8 * 1024
"""Path and query, as Apache and nginx allow by default: what parses them may be slow."""


class HeadersTooLarge(InputRejected):
    """The request line and headers are too large, or too many."""

    code = "headers_too_large"
    http_status = 431
    hint = (
        f"Send at most {MAX_HEADERS} headers and {MAX_HEAD_BYTES >> 10} KiB in all; a browser "
        "should delete its cookies for this address."
    )


class TargetTooLong(InputRejected):
    """The request's path and query are too long."""

    code = "target_too_long"
    http_status = 414
    hint = f"Use a path and query of {MAX_TARGET_BYTES >> 10} KiB at most."


class RequestMalformed(InputRejected):
    """What was sent is no HTTP/1.1 request, or one that could be read in two ways."""

    code = "request_malformed"
    http_status = 400
    hint = "Check the client, and any proxy between it and this server; both must speak HTTP/1.1."


class RequestTimedOut(CinemillError):
    """The client was too slow to send its request."""

    code = "request_timed_out"
    http_status = 408
    hint = "Send the request again, over a better connection if there is one."


class UpgradeRequired(InputRejected):
    """An address of a WebSocket was asked for something else."""

    code = "upgrade_required"
    http_status = 426
    hint = (
        "Open it with a WebSocket client (version 13 of the protocol). A proxy between must pass "
        "on the headers Upgrade and Connection."
    )


class ServerBusy(DependencyUnavailable):
    """Every connection that the server has is in use."""

    code = "server_busy"
    hint = "Try again in a moment; close connections that are not used."
