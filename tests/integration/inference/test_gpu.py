"""Models on a real GPU: skipped where there is none, unless CINEMILL_REQUIRE_GPU=1."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tests.vision_models import make_card, make_resnet, resnet_input, write_zip_pth

from cinemill.inference.models.cards import ModelOutput
from cinemill.inference.sessions.driver import list_devices
from cinemill.inference.sessions.open_session import may_have_gpu, open_session
from cinemill.inference.sessions.process_device import SessionOptions


@pytest.fixture(autouse=True)
def gpu() -> None:
    """Skip the test on a machine without a GPU; fail it where one is required."""
    if not may_have_gpu():
        why = "PyTorch or NVIDIA's driver is missing"
        if os.environ.get("CINEMILL_REQUIRE_GPU") == "1":
            pytest.fail(f"CINEMILL_REQUIRE_GPU=1, and {why}")
        pytest.skip(why)


def test_gpu_and_cpu_find_the_same_features(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    path = write_zip_pth(tmp_path / "tiny" / "resnet.pth", make_resnet())
    card = make_card(path, resnet_input(), (ModelOutput("stage4", 256, "stage4"),))
    images = np.random.default_rng(5).integers(0, 256, (130, 64, 64, 3), np.uint8)
    on_gpu = open_session(card, tmp_path, SessionOptions(gpu_memory_fraction=0.5))
    on_cpu = open_session(card, tmp_path, SessionOptions(use_gpu=False))
    assert (on_gpu.device, on_gpu.fallback_reason) == ("cuda:0", "")
    one, other = (session.run(images)["stage4"] for session in (on_gpu, on_cpu))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    assert ((one * other).sum(axis=1) / lengths).min() > 0.999
    import torch

    on_gpu.close()
    assert torch.cuda.memory_reserved() == 0


def test_pictures_in_two_buffers_arrive_as_they_were_sent() -> None:
    import torch

    from cinemill.inference.sessions.pinned_buffers import PinnedBuffers

    buffers = PinnedBuffers("cuda:0")
    sent = [np.full((50, 3, 224, 224), number, np.float32) for number in range(9)]
    arrived = [buffers.upload(array) * 1 for array in sent]
    assert [float(tensor.mean()) for tensor in arrived] == [float(number) for number in range(9)]
    assert all(
        torch.equal(tensor.cpu(), torch.from_numpy(array))
        for tensor, array in zip(arrived, sent, strict=True)
    )
    buffers.release()


def test_driver_reports_the_gpu() -> None:
    assert all(device.memory_bytes >= device.used_bytes >= 0 for device in list_devices())
    assert list_devices()
