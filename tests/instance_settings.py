"""Settings of the instances that tests start. A plain module for every suite."""

from __future__ import annotations

from collections.abc import Mapping

UNSPACED: Mapping[str, str] = {
    "RENDER_RATE": "6000",
    "TRANSCODE_RATE": "6000",
    "CAPTION_RATE": "6000",
    "CINEMILL_FETCH_MODELS": "false",
}
"""High rates, so that no test waits for its start; integration/jobs tests how starts are spaced.

No model is downloaded unless a test is about that."""
