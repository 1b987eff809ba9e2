"""The one-liner of the upload application's users, and a result by its id."""

from __future__ import annotations

import sys

from cinemill.worker.app import app
from cinemill.worker.tasks import process_video

print("application", app.main)
if len(sys.argv) > 1:
    result = process_video.AsyncResult(sys.argv[1])
    print("result", result.state, result.get(timeout=600)["output_filename"])
