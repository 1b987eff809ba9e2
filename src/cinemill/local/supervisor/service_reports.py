"""What the supervisor says of its services to other processes on this home: a small file.

``/health``, ``cinemill status`` and ``cinemill doctor`` read it where a service does not respond.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cinemill.core.documents import JsonObject
from cinemill.local.supervisor.spec import ServiceSpec


class ServiceReports:
    """The file, written again at each change; without a path nothing is written."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._services: dict[str, JsonObject] = {}

    def begin(self, specs: Sequence[ServiceSpec]) -> None:
        """Say that all of these services are being started."""
        self._services = {spec.name: _describe(spec) for spec in specs}
        self._write()

    def note(self, spec: ServiceSpec, *, is_ready: bool, how: str = "") -> None:
        """Say whether a service is ready, and how it ended before it is started again."""
        self._services[spec.name] = _describe(spec, is_ready=is_ready, how=how)
        self._write()

    def end(self) -> None:
        """Remove the file: nobody keeps the services running any more."""
        path, self._path = self._path, None
        if path is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _write(self) -> None:
        if self._path is None:
            return
        document = json.dumps({"pid": os.getpid(), "services": self._services}, ensure_ascii=False)
        draft = self._path.with_suffix(".new")
        # Not synchronized to the disk, for which the supervisor would have to wait: after a crash
        # of the machine nobody believes it. Without space only these words are missing.
        with suppress(OSError):
            draft.write_text(document, "utf-8")
            draft.replace(self._path)


def _describe(spec: ServiceSpec, *, is_ready: bool = False, how: str = "") -> JsonObject:
    return {"is_ready": is_ready, "how": how, "log_file": str(spec.log_file)}
