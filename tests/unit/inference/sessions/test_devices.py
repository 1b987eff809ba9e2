"""A worker process gets its GPU or MIG instance before CUDA starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.onnx_files import write_mean_model
from tests.vision_models import make_card

from cinemill.errors import WorkFailed
from cinemill.inference.models.cards import ImageInput, ModelOutput
from cinemill.inference.sessions import process_device
from cinemill.inference.sessions.devices import (
    ORDER,
    VISIBLE,
    Assignment,
    apply_assignment,
    assign_device,
)
from cinemill.inference.sessions.driver import GpuDevice, list_devices
from cinemill.inference.sessions.process_device import (
    GpuOptions,
    prepare_process,
    process_options,
)
from cinemill.inference.sessions.protocol import describe_device
from cinemill.inference.sessions.session_cache import process_sessions

WHOLE = [GpuDevice("GPU-aaa", "A", 80, 0), GpuDevice("GPU-bbb", "B", 80, 1)]
DIVIDED = [
    GpuDevice("GPU-ccc", "C", 80, 0),
    GpuDevice("MIG-c1", "C 1g", 10, 0, is_mig=True),
    GpuDevice("MIG-c2", "C 1g", 10, 0, is_mig=True),
    GpuDevice("GPU-ddd", "D", 80, 1),
]


def assign(devices: list[GpuDevice], index: int, setting: str | None, mig: bool) -> Assignment:
    return assign_device(devices, index, setting=setting, mig_enabled=mig)


@pytest.mark.parametrize(
    ("index", "setting", "uuid"),
    [
        (0, None, "GPU-aaa"),
        (1, None, "GPU-bbb"),
        (2, None, "GPU-aaa"),
        (0, "1", "GPU-bbb"),
        (1, "1,0", "GPU-aaa"),
        (0, "GPU-bbb", "GPU-bbb"),
        (0, "GPU-b", "GPU-bbb"),
        (1, "0,7,1", "GPU-aaa"),
        (0, "all", "GPU-aaa"),
        (0, "", ""),
        (0, "-1", ""),
        (0, "none", ""),
    ],
)
def test_processes_share_the_gpus_of_the_setting(
    index: int, setting: str | None, uuid: str
) -> None:
    assert assign(WHOLE, index, setting, False) == Assignment(uuid)


@pytest.mark.parametrize(("index", "uuid"), [(0, "MIG-c1"), (1, "MIG-c2"), (2, "")])
@pytest.mark.parametrize("setting", [None, "0", "GPU-ccc", "MIG-c1,MIG-c2"])
def test_each_process_gets_one_instance(index: int, uuid: str, setting: str | None) -> None:
    found = assign(DIVIDED, index, setting, True)
    assert found.visible == uuid
    assert bool(found.reason) is (uuid == "")


def test_divided_gpu_is_not_used_as_a_whole() -> None:
    assert assign(DIVIDED, 0, None, False).visible == "GPU-ddd"
    alone = assign(DIVIDED[:3], 0, None, False)
    assert (alone.visible, "MIG_ENABLED" in alone.reason) == ("", True)


@pytest.mark.parametrize(
    ("devices", "setting", "mig", "reason"),
    [
        ([], "0", False, "driver"),
        ([], None, True, "MIG instance"),
        (WHOLE, "7", False, "CUDA_VISIBLE_DEVICES=7"),
        (WHOLE, None, True, "MIG instance"),
    ],
)
def test_missing_gpu_has_a_reason(
    devices: list[GpuDevice], setting: str | None, mig: bool, reason: str
) -> None:
    found = assign(devices, 0, setting, mig)
    assert found.visible == ""
    assert reason in found.reason


def test_machine_without_gpu_needs_no_reason() -> None:
    assert assign([], 0, None, False) == Assignment("")


@pytest.mark.property
@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=8),
    st.one_of(st.none(), st.text("0123,-GPUMIG", max_size=12)),
    st.booleans(),
)
def test_no_instance_is_given_to_two_processes(
    shape: list[tuple[int, bool]], setting: str | None, mig: bool
) -> None:
    devices = [
        GpuDevice(f"{'MIG' if is_mig else 'GPU'}-{number}", "", 1, index, is_mig)
        for number, (index, is_mig) in enumerate(shape)
    ]
    found = [assign(devices, index, setting, mig).visible for index in range(10)]
    known = {device.uuid: device for device in devices}
    assert all(uuid in known for uuid in found if uuid)
    if mig:
        used = [uuid for uuid in found if uuid]
        assert len(used) == len(set(used))
        assert all(known[uuid].is_mig for uuid in used)


def test_device_is_set_in_the_environment() -> None:
    environment = {"CUDA_VISIBLE_DEVICES": "0"}
    apply_assignment(Assignment("MIG-c1"), environment)
    assert environment == {"CUDA_VISIBLE_DEVICES": "MIG-c1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def test_device_is_not_changed_after_cuda_started(monkeypatch: pytest.MonkeyPatch) -> None:
    started = SimpleNamespace(cuda=SimpleNamespace(is_initialized=lambda: True))
    monkeypatch.setitem(sys.modules, "torch", started)
    with pytest.raises(WorkFailed) as caught:
        apply_assignment(Assignment("GPU-bbb"), {"CUDA_VISIBLE_DEVICES": "GPU-aaa"})
    assert caught.value.code == "cuda_already_started"
    apply_assignment(Assignment("GPU-aaa"), {"CUDA_VISIBLE_DEVICES": "GPU-aaa"})


def test_listing_devices_needs_no_driver() -> None:
    assert all(device.memory_bytes > 0 for device in list_devices())


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> list[GpuDevice]:
    """Return the devices that the driver reports to this test, none at first."""
    found: list[GpuDevice] = []
    monkeypatch.setattr(process_device, "list_devices", lambda: found)
    monkeypatch.setattr(process_device, "_options", process_device.DEFAULT_OPTIONS)
    for name in (VISIBLE, ORDER):
        monkeypatch.setenv(name, "")  # so that it is as before afterwards
        del os.environ[name]
    return found


def test_each_process_of_a_worker_is_given_its_instance(devices: list[GpuDevice]) -> None:
    devices += DIVIDED
    options = GpuOptions(visible=None, mig_enabled=True, memory_fraction=0.25)
    seen = []
    for index in range(3):
        prepare_process(options, index)
        seen.append(os.environ[VISIBLE])
    assert seen == ["MIG-c1", "MIG-c2", ""]
    found = process_options()
    assert found.gpu_memory_fraction == 0.25
    assert "2 MIG instances" in found.why_no_gpu


def test_models_of_a_process_without_its_gpu_say_why(
    devices: list[GpuDevice], tmp_path: Path
) -> None:
    (tmp_path / "tiny").mkdir()
    path = write_mean_model(tmp_path / "tiny" / "means.onnx")
    image = ImageInput("pixels", 32, 32, (0, 0, 0), (1, 1, 1))
    card = make_card(path, image, (ModelOutput("means", 3),))
    prepare_process(GpuOptions(visible="3", mig_enabled=False, memory_fraction=0.8))
    with process_sessions().use(card, tmp_path) as session:
        found = describe_device(session)
    process_sessions().close()
    assert found == "cpu (there is no NVIDIA driver, or it reports no GPU)"


def test_nothing_is_hidden_from_cuda_unasked(devices: list[GpuDevice]) -> None:
    prepare_process(GpuOptions(visible=None, mig_enabled=False, memory_fraction=0.8))
    assert VISIBLE not in os.environ
    assert process_options().why_no_gpu == ""
