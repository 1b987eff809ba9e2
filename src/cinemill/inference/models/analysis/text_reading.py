"""Card of the models that find text in pictures and read it."""

from __future__ import annotations

from cinemill.inference.models.cards import (
    ModelCard,
    ModelFile,
    ModelRole,
    WheelPart,
    WheelSource,
)

FINDER_FILE = "PP-OCRv6_det_small.onnx"
READER_FILE = "PP-OCRv6_rec_small.onnx"
_PACKAGE = "rapidocr==3.10.0"

PP_OCR = ModelCard(
    name="pp-ocr-v6-small",
    role=ModelRole.TEXT_READING,
    licence="Apache-2.0",
    licence_source="PaddleOCR, as the metadata of the rapidocr wheel says",
    about="Lines of text in pictures: Latin, Chinese and Japanese letters",
    files=(
        ModelFile(
            FINDER_FILE,
            "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
            9_929_594,
        ),
        ModelFile(
            READER_FILE,
            "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
            21_234_383,
        ),
    ),
    weights=READER_FILE,
    # Installed with the extra "intelligence"; found there without a download.
    sources=(
        WheelSource(
            tuple(
                WheelPart(_PACKAGE, f"rapidocr/models/{name}", name)
                for name in (FINDER_FILE, READER_FILE)
            )
        ),
    ),
)
