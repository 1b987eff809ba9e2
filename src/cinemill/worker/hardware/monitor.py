"""A worker's hardware: found before its pool starts, announced while it runs, unused if suspended.

A node without hardware has no thread for it, and costs nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Set
from functools import partial
from typing import Any

from cinemill.core.hardware import Offer, name_queue
from cinemill.errors import CinemillError
from cinemill.storage import hardware
from cinemill.telemetry import get_logger
from cinemill.worker.context import WorkerContext

ANNOUNCE_SECONDS = 10.0
END_SECONDS = 20.0
"""How long an ending worker waits to withdraw its hardware, which otherwise expires in 30 s.

A database on a busy disk has needed 5 s for one commit.
"""
HARDWARE_QUEUES = frozenset({"transcode", "render"})
"""Queues whose steps may request hardware: only workers of these look for any."""

log = get_logger(__name__)


class HardwareMonitor:
    """Finds the node's encoders, announces them, and retests those whose suspension is over.

    The worker consumes the hardware queues of those encoders that are in service.
    """

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._consumer: Any = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def find(self, worker: Any) -> None:
        """Look for hardware, and let ``worker`` consume the queues of codecs that it encodes.

        Call it before the pool starts, so that its processes know the encoders.
        """
        context = self._context
        queues = worker.app.amqp.queues
        special = {
            queue.name for queue in context.catalog.queues.values() if queue.codec is not None
        }
        if not (HARDWARE_QUEUES | special).isdisjoint(queues.consume_from):
            context.node = worker.hostname
            context.hardware = context.find_hardware(context.settings)
        queues.deselect(sorted(special - self._queues))
        for name in sorted(self._queues):
            queues.select_add(queues[name])

    def start(self, sender: Any, **_: Any) -> None:
        """Log what was found, and announce it from now on; ``sender`` is Celery's consumer."""
        found = self._context.hardware
        for name, reason in found.refused.items():
            log.info("no hardware", encoder=name, why=reason)
        if found.encoders:
            log.info("hardware", encoders=[encoder.name for encoder in found.encoders])
            self._consumer = sender
            self._thread = threading.Thread(target=self.run, name="hardware", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Request the end of all offers, without waiting; safe in a signal handler."""
        self._stopping.set()

    def end(self) -> None:
        """Stop, and wait for the thread, since the process ends next."""
        self.stop()
        if self._thread is not None:
            self._thread.join(END_SECONDS)
            if self._thread.is_alive():
                log.warning("hardware was not withdrawn in time", seconds=END_SECONDS)

    def run(self) -> None:
        """Announce the hardware at intervals until stopped, then withdraw it."""
        while not self._stopping.is_set():
            try:
                self.run_once()
            except CinemillError as error:
                log.warning("hardware could not be announced", why=error.message)
            except Exception:
                log.exception("hardware could not be announced")
            self._stopping.wait(ANNOUNCE_SECONDS)
        try:
            with self._context.database.begin() as connection:
                hardware.withdraw(connection, self._context.node)
        except CinemillError as error:
            log.warning("hardware was not withdrawn", why=error.message)
        except Exception:
            log.exception("hardware was not withdrawn")

    def run_once(self) -> None:
        """Announce the encoders, retest those whose suspension is over, and select the queues.

        Raises DependencyUnavailable.
        """
        offers = self._announce()
        due = [offer for offer in offers if offer.rests_seconds == 0]
        for offer in due:
            self._retest(offer)
        if due:
            offers = self._announce()
        # Celery's consumer belongs to the thread of its event loop.
        serving = {name_queue(offer.codec) for offer in offers if offer.is_open}
        self._consumer.call_soon(partial(subscribe_queues, self._consumer, self._queues, serving))

    @property
    def _queues(self) -> set[str]:
        """Names of the hardware queues for the codecs of its encoders."""
        return {name_queue(encoder.codec.value) for encoder in self._context.hardware.encoders}

    def _announce(self) -> list[Offer]:
        node = self._context.node
        codecs = {one.name: one.codec.value for one in self._context.hardware.encoders}
        with self._context.database.begin() as connection:
            hardware.announce(connection, node, codecs)
            return [offer for offer in hardware.list_offers(connection) if offer.node == node]

    def _retest(self, offer: Offer) -> None:
        # Imported here for start-up cost: beat, which has a monitor too, never tests an encoder.
        from cinemill.media.encoding.hardware_probe import try_encoder
        from cinemill.media.ffmpeg.binary import find_ffmpeg
        from cinemill.media.ffmpeg.sandbox import detect_sandbox

        settings = self._context.settings
        ffmpeg, sandbox = find_ffmpeg(settings.ffmpeg_path), detect_sandbox(settings.sandbox)
        (encoder,) = (one for one in self._context.hardware.encoders if one.name == offer.encoder)
        reason = try_encoder(ffmpeg, sandbox, encoder)
        with self._context.database.begin() as connection:
            if reason is None:
                hardware.resume(connection, offer.node, offer.encoder)
            else:
                hardware.suspend(connection, offer.node, offer.encoder, reason)
        log.info("hardware was retested", encoder=offer.encoder, why_not=reason)


def subscribe_queues(consumer: Any, queues: Set[str], serving: Set[str]) -> None:
    """Consume those hardware queues of the worker that are in ``serving``, and no other ones."""
    tasks = consumer.task_consumer
    if tasks is None:
        return  # it has lost its broker; the next round comes soon
    for name in sorted(queues):
        if name in serving and not tasks.consuming_from(name):
            consumer.add_task_queue(name)
        elif name not in serving and tasks.consuming_from(name):
            consumer.cancel_task_queue(name)
