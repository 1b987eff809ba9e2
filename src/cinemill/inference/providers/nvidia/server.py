"""A server with a vision model: where it is, what it serves, whether it is ready."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cinemill.core.documents import quote
from cinemill.errors import InputRejected
from cinemill.inference.providers.failures import (
    ProviderRejected,
    ProviderReplyInvalid,
    ProviderUnavailable,
)
from cinemill.inference.providers.nvidia.http import HttpCaller, read_json

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class VisionServer:
    """An OpenAI-compatible server."""

    url: str
    """With or without ``/v1`` at its end."""
    api_key: str | None = field(default=None, repr=False)
    model: str | None = None
    """The model's id; None where the server serves one model only."""
    provider: str = "nvidia"
    """The name that its findings carry."""

    def locate(self, path: str) -> str:
        """Return the address of a path, such as ``/v1/models``.

        Raises InputRejected (``provider_url_invalid``).
        """
        return check_url(self.url).removesuffix("/v1") + path


def check_url(url: str) -> str:
    """Return an address without a slash at its end.

    Raises InputRejected (``provider_url_invalid``).
    """
    try:
        parts = urlsplit(url.strip())
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_usable = is_usable and "@" not in parts.netloc and not parts.query
    except ValueError:
        is_usable = False
    if not is_usable:
        raise InputRejected(
            f"{quote(url)} is not the address of a server.",
            code="provider_url_invalid",
            hint="Give it as http://host:port or https://host, without a name or a password.",
        )
    return url.strip().rstrip("/")


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    id: str = Field(min_length=1, max_length=200, pattern=r"^[\w.:/@+ -]+$")


class _Models(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    data: list[_Model] = Field(max_length=10_000)


def read_model_id(caller: HttpCaller, server: VisionServer) -> str:
    """Return the id of the model that will answer, from the server's ``/v1/models``.

    Raises ProviderRejected (``provider_model_unknown`` where the chosen one is not served,
    ``provider_model_ambiguous`` where none is chosen and several are), ProviderReplyInvalid, and
    what the caller raises.
    """
    reply = caller.call("GET", server.locate("/v1/models"), api_key=server.api_key)
    try:
        served = [one.id for one in _Models.model_validate(read_json(reply)).data]
    except ValidationError as invalid:
        raise ProviderReplyInvalid("The server's list of models is not as documented.") from invalid
    named = ", ".join(served[:MOST_NAMED]) or "none"
    if server.model is not None:
        if server.model not in served:
            raise ProviderRejected(
                f"The server does not serve {quote(server.model)}; it serves {named}.",
                code="provider_model_unknown",
                hint="Choose one of the models that it serves.",
            )
        return server.model
    if len(served) != 1:
        raise ProviderRejected(
            f"The server serves {len(served)} models ({named}), and none is chosen.",
            code="provider_model_ambiguous",
            hint="Choose one of the models that it serves.",
        )
    return served[0]


def is_ready(caller: HttpCaller, server: VisionServer) -> bool:
    """Check whether a server can answer now, by ``/v1/health/ready``.

    A server without that address is asked for its models instead. Raises ProviderDenied.
    """
    for path in ("/v1/health/ready", "/v1/models"):
        try:
            reply = caller.call("GET", server.locate(path), api_key=server.api_key)
        except ProviderUnavailable:
            return False
        except ProviderRejected as rejected:
            if rejected.code != "provider_address_unknown":
                return False
        else:
            return reply.status == 200
    return False
