"""Whether an ONNX file is what its card says: opened, looked at, and run once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cinemill.errors import InputRejected
from cinemill.inference.models.cards import ImageInput, ModelCard, ModelOutput
from cinemill.inference.models.tensors import FLOAT, UINT8, resolve_name

if TYPE_CHECKING:
    import onnxruntime

CHANNELS = 3
_FATAL = 4
_THREADS = 1


def check_onnx(path: Path, card: ModelCard) -> None:
    """Raise InputRejected (``model_file_invalid``) unless the file fits the card.

    ONNX Runtime must open it; its input and outputs must have the names and dimensions of the card;
    and it must turn one grey picture into finite numbers.
    """
    session = _open(path)
    if card.image is not None:
        tensor = _check_input(session.get_inputs(), card.image)
        outputs = _check_outputs(session.get_outputs(), card.outputs)
        _run_once(session, tensor, card.image, outputs)


def _open(path: Path) -> onnxruntime.InferenceSession:
    # Imported here: it takes megabytes in each process, and only few need it.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = _THREADS
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise _reject(f"ONNX Runtime cannot open it: {_first_line(error)}") from error


def _check_input(found: Sequence[Any], image: ImageInput) -> Any:
    tensor = _find(found, image.name, "input")
    if tensor.type not in (FLOAT, UINT8):
        raise _reject(f"its input {tensor.name} takes {tensor.type}, not {FLOAT} or {UINT8}")
    wanted = _shape_of(tensor, image)
    shape = list(tensor.shape)
    if len(shape) != len(wanted) + 1 or not all(map(_fits, shape[1:], wanted)):
        raise _reject(
            f"its input {tensor.name} has the dimensions {_write(shape)}, not N x {_write(wanted)}"
        )
    if not _fits(shape[0], 1):
        raise _reject(f"its input {tensor.name} takes {shape[0]} pictures at once, not any number")
    return tensor


def _shape_of(tensor: Any, image: ImageInput) -> tuple[int, int, int]:
    """Return the dimensions of a picture: planes of floats, or the pixels of a frame."""
    if tensor.type == UINT8:
        return image.height, image.width, CHANNELS
    return CHANNELS, image.height, image.width


def _check_outputs(found: Sequence[Any], outputs: Sequence[ModelOutput]) -> dict[str, int]:
    """Return the dimensions of the card's outputs by their names in the file."""
    dimensions = {}
    for output in outputs:
        tensor = _find(found, output.name, "output")
        shape = list(tensor.shape)
        if len(shape) != 2 or not _fits(shape[1], output.dimension):
            raise _reject(
                f"its output {tensor.name} has the dimensions {_write(shape)}, "
                f"not N x {output.dimension}"
            )
        dimensions[str(tensor.name)] = output.dimension
    return dimensions


def _run_once(
    session: onnxruntime.InferenceSession, tensor: Any, image: ImageInput, outputs: dict[str, int]
) -> None:
    import numpy as np

    element = np.uint8 if tensor.type == UINT8 else np.float32
    grey = np.zeros((1, *_shape_of(tensor, image)), element)
    try:
        results = session.run(list(outputs), {tensor.name: grey})
    except Exception as error:
        raise _reject(f"it cannot be run: {_first_line(error)}") from error
    for (output, dimension), result in zip(outputs.items(), results, strict=True):
        row = np.asarray(result)
        if row.shape != (1, dimension):
            raise _reject(
                f"its output {output} has the dimensions {_write(row.shape)}, not 1 x {dimension}"
            )
        if not np.isfinite(row).all():
            raise _reject(f"its output {output} is not finite for a grey picture")


def _find(found: Sequence[Any], name: str, kind: str) -> Any:
    names = [str(tensor.name) for tensor in found]
    resolved = resolve_name(name, names)
    if resolved is None:
        raise _reject(f"it has no {kind} {name!r}; it has {', '.join(names)}")
    return found[names.index(resolved)]


def _fits(found: object, wanted: int) -> bool:
    """Compare a dimension; one with a name, or none, is open."""
    return found == wanted if isinstance(found, int) else True


def _write(shape: Sequence[object]) -> str:
    return " x ".join(map(str, shape))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _reject(reason: str) -> InputRejected:
    return InputRejected(
        f"The model file does not fit its card: {reason}.",
        code="model_file_invalid",
        hint="Correct the card, or export the model again.",
    )
