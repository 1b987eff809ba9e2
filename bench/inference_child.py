"""What the benchmark of inference measures in fresh processes, on one thread.

    python -m bench.inference_child peak
    python -m bench.inference_child speed CARDS.pickle FRAME.png
    python -m bench.inference_child start CARDS.pickle

``CARDS.pickle`` is a list of (card, path of the graph) that the benchmark wrote. Prints JSON.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

BATCH = 8
ROUNDS = 5
PEAK_SIZE = 2048


def main(mode: str, *arguments: str) -> None:
    modes: dict[str, Callable[..., object]] = {
        "peak": measure_peak,
        "speed": measure_speed,
        "start": measure_start,
    }
    print(json.dumps(modes[mode](*arguments)))


def cpu_seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the median processor seconds of a run, after one that does not count."""
    work()
    spent = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return sorted(spent)[rounds // 2]


def measure_peak() -> float:
    """Return floating-point operations per processor second of a large product of matrices."""
    import numpy as np

    a, b = (np.random.default_rng(n).random((PEAK_SIZE, PEAK_SIZE), np.float32) for n in (1, 2))
    return 2 * PEAK_SIZE**3 / cpu_seconds(lambda: a @ b)


def measure_speed(cards: str, frame: str) -> dict[str, dict[str, float]]:
    """Return processor seconds for a picture: of the model, and with resizing a 1080p frame."""
    import numpy as np
    from PIL import Image

    from cinemill.inference.sessions.onnx_session import OnnxSession
    from cinemill.inference.vision.features import extract_features

    pixels = np.asarray(Image.open(frame).convert("RGB"))
    found = {}
    for card, graph in pickle.loads(Path(cards).read_bytes()):
        session = OnnxSession(card, graph, threads=1)
        images = np.stack([np.asarray(Image.fromarray(pixels).resize((224, 224)))] * BATCH)
        alone = cpu_seconds(partial(extract_features, session, images)) / BATCH
        stage = cpu_seconds(partial(_run_stage, session, pixels)) / BATCH
        found[card.name] = {"model": alone, "stage": stage}
        session.close()
    return found


def _run_stage(session: Any, pixels: Any) -> object:
    from cinemill.inference.vision.features import extract_features, stack_images

    return extract_features(session, stack_images(session, [pixels] * BATCH))


def measure_start(cards: str) -> dict[str, float]:
    """Return what a process takes until it has features of a batch by every model."""
    import numpy as np
    import psutil

    from cinemill.inference.sessions.onnx_session import OnnxSession
    from cinemill.inference.vision.features import extract_features

    sessions = [OnnxSession(*pair, threads=1) for pair in pickle.loads(Path(cards).read_bytes())]
    started = time.process_time()
    for session in sessions:
        extract_features(session, np.zeros((BATCH, 224, 224, 3), np.uint8))
    memory = psutil.Process().memory_info()
    return {"cpu_seconds": started, "rss_bytes": memory.rss}


if __name__ == "__main__":
    main(*sys.argv[1:])
