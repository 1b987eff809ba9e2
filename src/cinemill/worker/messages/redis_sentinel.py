"""A Redis behind Sentinels as Celery and kombu want to hear of it: several URLs and an option."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis

from cinemill.addresses import parse_sentinel
from cinemill.storage.redis_servers import sentinel_options


def translate_url(url: str) -> tuple[str, dict[str, Any]]:
    """(URLs in kombu's form, transport options); other addresses as they are, without options."""
    address = parse_sentinel(url)
    if address is None:
        return url, {}
    return ";".join(address.list_urls()), {"master_name": address.primary}


def configure_pubsub(url: str) -> None:
    """Have kombu's channels in this process ask the Sentinels of ``url`` as we do.

    Not by the transport option ``sentinel_kwargs``: a worker tells its options to whoever inspects
    it, the Sentinels' password with them, and they must be JSON.
    """
    address = parse_sentinel(url)
    if address is not None:
        channel: Any = redis.SentinelChannel
        channel.sentinel_kwargs = sentinel_options(address)


def credential_options(url: str) -> dict[str, Any]:
    """Transport options for who asks the Sentinels by itself and tells nobody of its options:
    Flower, and a result backend."""
    address = parse_sentinel(url)
    if address is None or not address.sentinel_credentials:
        return {}
    return {"sentinel_kwargs": address.sentinel_credentials}
