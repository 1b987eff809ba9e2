"""ONNX files whose graphs lie in graphs: no parser of ours or of ONNX Runtime's crashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinemill.errors import ToolMissing
from cinemill.inference.models.checked_files import CheckedFiles
from cinemill.inference.models.file_models import FAMILIES, read_file_model
from cinemill.inference.models.onnx_check import ModelFileInvalid, open_onnx


def encode(number: int) -> bytes:
    written = b""
    while number > 127:
        written += bytes([number & 127 | 128])
        number >>= 7
    return written + bytes([number])


def member(number: int, content: bytes) -> bytes:
    """A message or a text, as protobuf writes it."""
    return encode(number << 3 | 2) + encode(len(content)) + content


def nest(depth: int) -> bytes:
    """A model whose graph is a condition, in whose branch is a graph, and so on."""
    graph = b""
    for _ in range(depth):
        branch = member(1, b"then_branch") + member(6, graph) + encode(20 << 3) + encode(5)
        graph = member(1, member(4, b"If") + member(5, branch))
    version = member(8, encode(2 << 3) + encode(17))
    return encode(1 << 3) + encode(8) + member(7, graph) + version


@pytest.mark.parametrize("depth", [5, 33, 200, 5_000])
def test_graphs_in_graphs_are_refused(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(nest(depth))
    with pytest.raises(ModelFileInvalid):
        open_onnx(path)
    with pytest.raises(ToolMissing) as refused:
        read_file_model(path, FAMILIES["resnet50"], CheckedFiles(tmp_path / "checked"))
    assert refused.value.code == "model_file_invalid"
