"""Card of the names of ImageNet's classes, in the order in which models number them."""

from __future__ import annotations

from cinemill.inference.models.cards import (
    ModelCard,
    ModelFile,
    ModelRole,
    WheelPart,
    WheelSource,
)

CLASSES_FILE = "imagenet_synsets.txt"
"""Number of a WordNet synset for each class."""
NAMES_FILE = "imagenet_synset_to_lemma.txt"
"""Words of each synset."""
_PACKAGE = "timm==1.0.20"
_FOLDER = "timm/data/_info"

IMAGENET_NAMES = ModelCard(
    name="imagenet-names",
    role=ModelRole.IMAGE_NAMES,
    licence="WordNet-3.0",
    licence_source="Princeton University, of the words; the package that holds them is Apache-2.0",
    about="WordNet's words for the 1,000 classes of ImageNet: what tags are called",
    files=(
        ModelFile(
            CLASSES_FILE,
            "70002b0ff5de60a3a17a82dbfcff291931f96225ddf941ad2e182fc39e183d15",
            10_000,
        ),
        ModelFile(
            NAMES_FILE,
            "1b8babda187421a4bde0c9c5a197c36f6bdda962f7ca11ffb2813806cbb2178f",
            741_457,
        ),
    ),
    weights=NAMES_FILE,
    sources=(
        WheelSource(
            tuple(
                WheelPart(_PACKAGE, f"{_FOLDER}/{name}", name)
                for name in (CLASSES_FILE, NAMES_FILE)
            )
        ),
    ),
)
