"""A Redis behind Sentinels in the form that Celery and kombu need: several URLs and an option."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis

from cinemill.addresses import parse_sentinel
from cinemill.storage.redis_servers import sentinel_options


def translate_url(url: str) -> tuple[str, dict[str, Any]]:
    """Return (URLs in kombu's form, transport options); other URLs are returned unchanged."""
    address = parse_sentinel(url)
    if address is None:
        return url, {}
    return ";".join(address.list_urls()), {"master_name": address.primary}


def configure_pubsub(url: str) -> None:
    """Have kombu's channels in this process query the Sentinels of ``url`` with our options.

    The transport option ``sentinel_kwargs`` is not used: a worker reports its options, with the
    Sentinels' password in them, to any client that inspects it, and they must be JSON.
    """
    address = parse_sentinel(url)
    if address is not None:
        channel: Any = redis.SentinelChannel
        channel.sentinel_kwargs = sentinel_options(address)


def credential_options(url: str) -> dict[str, Any]:
    """Return transport options with the Sentinels' credentials.

    They are for clients that query the Sentinels themselves and do not report their options:
    Flower, and a result backend.
    """
    address = parse_sentinel(url)
    if address is None or not address.sentinel_credentials:
        return {}
    return {"sentinel_kwargs": address.sentinel_credentials}
