"""A worker process gets its GPU or MIG instance before CUDA starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
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
    ProcessPlace,
    apply_assignment,
    assign_device,
)
from cinemill.inference.sessions.driver import DriverAnswer, GpuDevice, list_devices
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


class FreeInstances:
    """Instances of a machine, of which each is given away once."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def take(self, uuids: Sequence[str]) -> str | None:
        found = next((uuid for uuid in uuids if uuid not in self.taken), None)
        self.taken |= {found} if found else set()
        return found


def assign(
    devices: list[GpuDevice], index: int, setting: str | None, instances: FreeInstances | None
) -> Assignment:
    take = instances.take if instances else None
    return assign_device(devices, ProcessPlace(index), setting=setting, take_instance=take)


def share(devices: list[GpuDevice], place: ProcessPlace, setting: str | None) -> tuple[str, int]:
    """Return the device of a process, and how many processes of the worker have it."""
    found = assign_device(devices, place, setting=setting, take_instance=None)
    return found.visible, found.sharers


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
    found = assign(WHOLE, index, setting, None)
    assert (found.visible, found.reason) == (uuid, "")


@pytest.mark.parametrize(
    ("place", "setting", "found"),
    [
        (ProcessPlace(0, 3), None, ("GPU-aaa", 2)),
        (ProcessPlace(1, 3), None, ("GPU-bbb", 1)),
        (ProcessPlace(2, 3), None, ("GPU-aaa", 2)),
        (ProcessPlace(2, 3), "1", ("GPU-bbb", 3)),
        (ProcessPlace(3, 1), None, ("GPU-bbb", 2)),  # it was added while the worker ran
        (ProcessPlace(0, 1), None, ("GPU-aaa", 1)),
    ],
)
def test_processes_of_a_worker_that_share_a_gpu_are_counted(
    place: ProcessPlace, setting: str | None, found: tuple[str, int]
) -> None:
    assert share(WHOLE, place, setting) == found


def test_processes_share_the_gpu_that_only_cuda_knows() -> None:
    assert share([], ProcessPlace(1, 4), None) == ("", 4)
    assert share([], ProcessPlace(1, 4), "0") == ("0", 4)


@pytest.mark.parametrize("setting", [None, "0", "GPU-ccc", "MIG-c1,MIG-c2"])
def test_each_process_gets_one_instance(setting: str | None) -> None:
    instances = FreeInstances()
    found = [assign(DIVIDED, index, setting, instances) for index in range(3)]
    assert [one.visible for one in found] == ["MIG-c1", "MIG-c2", ""]
    assert [bool(one.reason) for one in found] == [False, False, True]


def test_instance_that_another_worker_has_is_left_to_it() -> None:
    instances = FreeInstances()
    assert [assign(DIVIDED, 0, None, instances).visible for _worker in range(3)] == [
        "MIG-c1",
        "MIG-c2",
        "",
    ]


@pytest.mark.parametrize(
    ("index", "setting", "name"),
    [
        (0, "0", "0"),
        (0, "GPU-aaa", "GPU-aaa"),
        (0, "MIG-c1", "MIG-c1"),
        (1, "0, 1", "1"),
        (2, "0,1", "0"),
        (1, "0,,1", "0"),
        (1, "0,-1,1", "0"),
    ],
)
def test_named_gpu_is_not_hidden_where_nvml_lists_none(index: int, setting: str, name: str) -> None:
    found = assign([], index, setting, None)
    assert (found.visible, "driver" in found.reason) == (name, True)


def test_named_instances_are_taken_where_nvml_lists_none() -> None:
    instances = FreeInstances()
    found = [assign([], index, "0,MIG-c1,MIG-c2", instances).visible for index in range(3)]
    assert found == ["MIG-c1", "MIG-c2", ""]


def test_divided_gpu_is_not_used_as_a_whole() -> None:
    assert assign(DIVIDED, 0, None, None).visible == "GPU-ddd"
    alone = assign(DIVIDED[:3], 0, None, None)
    assert (alone.visible, "MIG_ENABLED" in alone.reason) == ("", True)


@pytest.mark.parametrize(
    ("devices", "setting", "mig", "reason"),
    [
        ([], "all", False, "driver"),
        ([], "0", True, "names no MIG instance"),
        ([], None, True, "MIG instance"),
        (WHOLE, "7", False, "CUDA_VISIBLE_DEVICES=7"),
        (WHOLE, None, True, "MIG instance"),
    ],
)
def test_missing_gpu_has_a_reason(
    devices: list[GpuDevice], setting: str | None, mig: bool, reason: str
) -> None:
    found = assign(devices, 0, setting, FreeInstances() if mig else None)
    assert found.visible == ""
    assert reason in found.reason


def test_machine_without_gpu_needs_no_reason() -> None:
    assert assign([], 0, None, None) == Assignment("")


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
    instances = FreeInstances() if mig else None
    found = [assign(devices, index, setting, instances).visible for index in range(10)]
    known = {device.uuid: device for device in devices}
    used = [uuid for uuid in found if uuid]
    assert not devices or all(uuid in known for uuid in used)
    if mig:
        assert len(used) == len(set(used))
        assert all(uuid.startswith("MIG") for uuid in used)


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
    monkeypatch.setattr(process_device, "ask_driver", lambda: DriverAnswer(tuple(found)))
    monkeypatch.setattr(process_device, "_answer", None)
    monkeypatch.setattr(process_device, "_options", process_device.DEFAULT_OPTIONS)
    for name in (VISIBLE, ORDER):
        monkeypatch.setenv(name, "")  # so that it is as before afterwards
        del os.environ[name]
    return found


def make_options(home: Path, *, visible: str | None = None, mig: bool = False) -> GpuOptions:
    return GpuOptions(visible=visible, mig_enabled=mig, memory_fraction=0.8, home=home)


def test_instances_are_locked_for_the_workers_of_a_home(
    devices: list[GpuDevice], tmp_path: Path
) -> None:
    devices += DIVIDED
    seen = []
    for _worker in range(3):  # a lock that this process has is taken, even for itself
        prepare_process(make_options(tmp_path, mig=True))
        seen.append(os.environ[VISIBLE])
    assert seen == ["MIG-c1", "MIG-c2", ""]
    found = process_options()
    assert found.gpu_memory_fraction == 0.8
    assert found.why_no_gpu == "other processes have all MIG instances (2)"


def test_instance_that_cannot_be_locked_is_not_used(
    devices: list[GpuDevice], tmp_path: Path
) -> None:
    devices += DIVIDED
    (tmp_path / "run").touch()
    prepare_process(make_options(tmp_path, mig=True))
    assert os.environ[VISIBLE] == ""
    assert "cannot be locked" in process_options().why_no_gpu


def test_memory_of_a_worker_is_divided_among_its_processes(
    devices: list[GpuDevice], tmp_path: Path
) -> None:
    devices += WHOLE
    prepare_process(make_options(tmp_path), ProcessPlace(2, 3))
    assert os.environ[VISIBLE] == "GPU-aaa"
    assert process_options().gpu_memory_fraction == 0.4


def test_silent_driver_hides_even_a_gpu_that_is_named(
    devices: list[GpuDevice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_device, "ask_driver", lambda: DriverAnswer(silence="it hung"))
    for visible in ("0", None):
        prepare_process(make_options(tmp_path, visible=visible))
        assert os.environ.pop(VISIBLE) == ""
        assert process_options().why_no_gpu == "it hung"


def test_driver_is_not_asked_for_a_worker_without_gpus(
    devices: list[GpuDevice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_device, "ask_driver", lambda: pytest.fail("it was asked"))
    prepare_process(make_options(tmp_path, visible=""))
    assert os.environ[VISIBLE] == ""


def test_models_of_a_process_without_its_gpu_say_why(
    devices: list[GpuDevice], tmp_path: Path
) -> None:
    (tmp_path / "tiny").mkdir()
    path = write_mean_model(tmp_path / "tiny" / "means.onnx")
    image = ImageInput("pixels", 32, 32, (0, 0, 0), (1, 1, 1))
    card = make_card(path, image, (ModelOutput("means", 3),))
    prepare_process(make_options(tmp_path, visible="3"))
    assert os.environ[VISIBLE] == "3"
    with process_sessions().use(card, tmp_path) as session:
        found = describe_device(session)
    process_sessions().close()
    assert found == "cpu (there is no NVIDIA driver, or it reports no GPU)"


def test_nothing_is_hidden_from_cuda_unasked(devices: list[GpuDevice], tmp_path: Path) -> None:
    prepare_process(make_options(tmp_path))
    assert VISIBLE not in os.environ
    assert process_options().why_no_gpu == ""
