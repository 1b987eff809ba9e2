"""Settings of the mills that tests start. A plain module, for every suite."""

from __future__ import annotations

from collections.abc import Mapping

UNSPACED: Mapping[str, str] = {
    "RENDER_RATE": "6000",
    "TRANSCODE_RATE": "6000",
    "CAPTION_RATE": "6000",
}
"""So that no test waits for its turn to begin: how starts are spaced is shown in integration/jobs,
where the relay counts."""
