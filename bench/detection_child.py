"""What a worker process takes with the models of an ensemble, in a fresh process on one thread.

    python -m bench.detection_child CARDS.pickle

``CARDS.pickle`` is a list of (card, path of the graph) that the benchmark wrote. Prints JSON:
processor seconds until the worker's modules are there, until the models are loaded too, and the
memory after each has seen a batch.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import time
from pathlib import Path

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

BATCH = 8


def main(cards: str) -> None:
    """Import what a worker imports, load the models and run a batch."""
    from cinemill.config import load
    from cinemill.worker.app_factory import build_app

    nowhere = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1"}
    app = build_app(load({**os.environ, **nowhere}))
    app.context.preload_handlers()
    from cinemill.capabilities.detection import video_examination  # noqa: F401

    bare_seconds = time.process_time()
    import numpy as np
    import psutil

    from cinemill.inference.sessions.onnx_session import OnnxSession
    from cinemill.inference.vision.features import extract_features

    sessions = [OnnxSession(*pair, threads=1) for pair in pickle.loads(Path(cards).read_bytes())]
    cpu_seconds = time.process_time()
    for session in sessions:
        extract_features(session, np.zeros((BATCH, 224, 224, 3), np.uint8))
    found = {
        "bare_seconds": bare_seconds,
        "cpu_seconds": cpu_seconds,
        "rss_bytes": psutil.Process().memory_info().rss,
    }
    app.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
