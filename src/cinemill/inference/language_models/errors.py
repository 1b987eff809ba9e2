"""What can go wrong with a language model's server, by stable codes."""

from __future__ import annotations

from cinemill.errors import DependencyUnavailable, WorkFailed


class LanguageModelUnavailable(DependencyUnavailable):
    """The server cannot be reached, fails, or does not reply in time."""

    code = "language_model_unavailable"
    hint = "Check that the server of the language model runs and can be reached from here."


class LanguageModelBusy(DependencyUnavailable):
    """The server asks to wait longer than we do."""

    code = "language_model_busy"
    http_status = 503
    hint = "Wait and try again, or raise the limits of the account at the provider."


class LanguageModelRefused(DependencyUnavailable):
    """The server refuses the key, the model's name or the request itself."""

    code = "language_model_refused"
    http_status = 502
    is_retryable = False
    hint = "Check the address, the key and the model's name in the settings."


class ReplyInvalid(WorkFailed):
    """The reply is empty, cut off, too large or not what the protocol says."""

    code = "language_model_reply_invalid"
    http_status = 502
    hint = "Try again; if it stays, use another model or a larger limit of tokens."


def empty_reply(model: str) -> ReplyInvalid:
    """Return the error for a reply without text."""
    return ReplyInvalid(f"{model} replied with nothing.", code="language_model_reply_empty")


def cut_off_reply(model: str, reason: str) -> ReplyInvalid:
    """Return the error for a reply that did not come to its end."""
    return ReplyInvalid(
        f"The reply of {model} was cut off ({reason}).", code="language_model_reply_cut_off"
    )


def too_large_reply(model: str, most_bytes: int) -> ReplyInvalid:
    """Return the error for a reply of more bytes than are read."""
    return ReplyInvalid(
        f"The reply of {model} has more than {most_bytes} bytes.",
        code="language_model_reply_too_large",
    )
