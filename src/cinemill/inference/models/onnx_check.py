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
    from numpy.typing import NDArray

CHANNELS = 3
_FATAL = 4
_THREADS = 1


class ModelFileInvalid(InputRejected):
    """A file that is not what its card says."""

    code = "model_file_invalid"
    hint = "Correct the card, or export the model again."

    def __init__(self, reason: str) -> None:
        super().__init__(f"The model file does not fit its card: {reason}.")
        self.reason = reason


def check_onnx(path: Path, card: ModelCard) -> None:
    """Raise InputRejected (``model_file_invalid``) unless the file fits the card.

    ONNX Runtime must open it; its input and outputs must have the names and dimensions of the card;
    and it must turn one grey picture into finite numbers.
    """
    session = open_onnx(path)
    if card.image is not None:
        tensor = _check_input(session.get_inputs(), card.image)
        outputs = _check_outputs(session.get_outputs(), card.outputs)
        _run_once(session, tensor, card.image, outputs)


def open_onnx(path: Path) -> onnxruntime.InferenceSession:
    """Return a session of one thread. Raises InputRejected (``model_file_invalid``)."""
    # Imported here: it takes megabytes in each process, and only few need it.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = _THREADS
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelFileInvalid(f"ONNX Runtime cannot open it: {_first_line(error)}") from error


def _check_input(found: Sequence[Any], image: ImageInput) -> Any:
    tensor = _find(found, image.name, "input")
    if tensor.type not in (FLOAT, UINT8):
        raise ModelFileInvalid(
            f"its input {tensor.name} takes {tensor.type}, not {FLOAT} or {UINT8}"
        )
    wanted = _shape_of(tensor, image)
    shape = list(tensor.shape)
    if len(shape) != len(wanted) + 1 or not all(map(_fits, shape[1:], wanted)):
        raise ModelFileInvalid(
            f"its input {tensor.name} has the dimensions {_write(shape)}, not N x {_write(wanted)}"
        )
    if not _fits(shape[0], 1):
        raise ModelFileInvalid(
            f"its input {tensor.name} takes {shape[0]} pictures at once, not any number"
        )
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
            raise ModelFileInvalid(
                f"its output {tensor.name} has the dimensions {_write(shape)}, "
                f"not N x {output.dimension}"
            )
        dimensions[str(tensor.name)] = output.dimension
    return dimensions


def _run_once(
    session: onnxruntime.InferenceSession, tensor: Any, image: ImageInput, outputs: dict[str, int]
) -> None:
    grey = make_grey_picture(tensor, image)
    for output, row in run_grey_picture(session, tensor, grey, list(outputs)).items():
        dimension = outputs[output]
        if row.shape != (1, dimension):
            raise ModelFileInvalid(
                f"its output {output} has the dimensions {_write(row.shape)}, not 1 x {dimension}"
            )


def make_grey_picture(tensor: Any, image: ImageInput) -> NDArray[Any]:
    """Return one picture without content, as the input takes it."""
    import numpy as np

    element = np.uint8 if tensor.type == UINT8 else np.float32
    return np.zeros((1, *_shape_of(tensor, image)), element)


def run_grey_picture(
    session: onnxruntime.InferenceSession, tensor: Any, grey: NDArray[Any], outputs: list[str]
) -> dict[str, NDArray[Any]]:
    """Return the outputs by name.

    Raises InputRejected (``model_file_invalid``) if the model cannot be run, or returns numbers
    that are not finite.
    """
    import numpy as np

    try:
        results = session.run(outputs, {tensor.name: grey})
    except Exception as error:
        raise ModelFileInvalid(f"it cannot be run: {_first_line(error)}") from error
    rows = {name: np.asarray(result) for name, result in zip(outputs, results, strict=True)}
    for name, row in rows.items():
        if not np.isfinite(row).all():
            raise ModelFileInvalid(f"its output {name} is not finite for a grey picture")
    return rows


def _find(found: Sequence[Any], name: str, kind: str) -> Any:
    names = [str(tensor.name) for tensor in found]
    resolved = resolve_name(name, names)
    if resolved is None:
        raise ModelFileInvalid(f"it has no {kind} {name!r}; it has {', '.join(names)}")
    return found[names.index(resolved)]


def _fits(found: object, wanted: int) -> bool:
    """Compare a dimension; one with a name, or none, is open."""
    return found == wanted if isinstance(found, int) else True


def _write(shape: Sequence[object]) -> str:
    return " x ".join(map(str, shape))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
