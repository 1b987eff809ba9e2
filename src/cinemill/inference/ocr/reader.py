"""Lines of text in pictures, by PP-OCR on ONNX Runtime (extra ``intelligence``).

The models are files whose bytes were checked, and their alphabet is inside of them: nothing is
downloaded, whatever the library would fetch by itself.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cinemill.core.findings.finding import PictureBox
from cinemill.errors import ToolMissing
from cinemill.inference.models.analysis.text_reading import FINDER_FILE, PP_OCR, READER_FILE
from cinemill.inference.models.cards import find_model
from cinemill.inference.ocr.edges import may_hold_text
from cinemill.telemetry import get_logger

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

LEAST_CONFIDENCE = 0.6
LEAST_LETTERS = 2
"""Letters and digits of a line; less is mostly a pattern that looks like one."""
LONGEST_LINE = 500
MOST_LINES = 100
"""For each picture, from top to bottom."""
SMALLEST_SIDE_PX = 16
"""A picture with a shorter side is not searched."""
LARGEST_ASPECT = 50
"""Nor is one that is longer, in multiples of its shorter side: the library cannot reduce it."""
_THREADS = 1
"""Threads of this library's sessions wait actively, which doubles the CPU time."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text in a picture."""

    text: str
    confidence: float
    """``LEAST_CONFIDENCE`` to 1."""
    box: PictureBox


class TextReader:
    """A loaded reader. Use :func:`open_text_reader`; not for several threads at once."""

    def __init__(self, files: Path) -> None:
        """Load the models in the folder ``files``, whose bytes the caller has checked.

        Raises ToolMissing (``extra_missing``).
        """
        self._engine = _load(files)

    def read(self, pixels: Pixels) -> tuple[TextLine, ...]:
        """Return the lines of text in the picture (height × width × RGB), from top to bottom.

        A picture without a place that looks like letters is not given to the model.
        """
        height, width = pixels.shape[:2]
        if not _is_readable(height, width) or not may_hold_text(pixels):
            return ()
        found = self._engine(np.ascontiguousarray(pixels[..., ::-1]))  # it takes BGR
        if getattr(found, "boxes", None) is None or not getattr(found, "txts", None):
            return ()
        read = zip(found.boxes, found.txts, found.scores, strict=True)
        lines = (_make_line(corners, text, score, width, height) for corners, text, score in read)
        return tuple(line for line in lines if line is not None)[:MOST_LINES]


def _is_readable(height: int, width: int) -> bool:
    shorter, longer = sorted((height, width))
    return shorter >= SMALLEST_SIDE_PX and longer <= LARGEST_ASPECT * shorter


@lru_cache(maxsize=1)
def open_text_reader(folder: Path) -> TextReader:
    """Return the reader, loaded once per process; ``folder`` holds the models.

    The models come with the extra, and are used from its package unless the folder has them.
    Raises ToolMissing (``extra_missing``, ``model_missing``, ``model_damaged``).
    """
    require_extra()
    reader = TextReader(find_model(PP_OCR, folder))
    log.info("model loaded", model=PP_OCR.name, device="cpu")
    return reader


def require_extra() -> None:
    """Raise ToolMissing (``extra_missing``) unless the library that reads text is installed."""
    _import_engine()


def _import_engine() -> Any:
    try:
        from rapidocr import RapidOCR
    except ModuleNotFoundError as missing:
        raise ToolMissing(
            "Reading text in pictures needs RapidOCR, which is not installed.",
            code="extra_missing",
            hint="Install it with: pip install 'cinemill[intelligence]'.",
        ) from missing
    return RapidOCR


def _load(files: Path) -> Any:
    return _import_engine()(
        params={
            "Global.log_level": "critical",
            "Global.text_score": LEAST_CONFIDENCE,
            # Frames are upright, and so is nearly all text in them.
            "Global.use_cls": False,
            "Det.model_path": str(files / FINDER_FILE),
            "Rec.model_path": str(files / READER_FILE),
            "EngineConfig.onnxruntime.intra_op_num_threads": _THREADS,
            "EngineConfig.onnxruntime.inter_op_num_threads": _THREADS,
        }
    )


def _make_line(
    corners: NDArray[np.floating], text: str, score: float, width: int, height: int
) -> TextLine | None:
    """Return the line with an upright box around its corners; None if it says nothing."""
    cleaned = clean_text(text)
    if sum(letter.isalnum() for letter in cleaned) < LEAST_LETTERS:
        return None
    size = np.array([width, height], np.float64)
    lowest, highest = np.clip(np.stack([corners.min(axis=0), corners.max(axis=0)]) / size, 0, 1)
    left, top = (float(edge) for edge in lowest)
    right, bottom = (float(edge) for edge in highest)
    if right <= left or bottom <= top:
        return None
    box = PictureBox(left, top, right - left, bottom - top)
    return TextLine(cleaned, min(1.0, float(score)), box)


def clean_text(text: str) -> str:
    """Return the text in one line, without control characters, at most ``LONGEST_LINE`` long."""
    normal = unicodedata.normalize("NFC", text)
    shown = "".join(" " if _is_hidden(letter) else letter for letter in normal)
    return " ".join(shown.split())[:LONGEST_LINE]


def _is_hidden(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Cn")
