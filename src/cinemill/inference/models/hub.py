"""Files of a model from the Hugging Face Hub, at the commit that its card pins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cinemill.errors import DependencyUnavailable
from cinemill.inference.models.cards import HubSource, ModelFile


def download_files(
    source: HubSource,
    files: tuple[ModelFile, ...],
    folder: Path,
    *,
    notify: Callable[[str], None],
    endpoint: str | None = None,
) -> None:
    """Download the files into ``folder``; the caller checks their bytes.

    ``endpoint`` is the hub's address, if not the usual one (``HF_ENDPOINT`` works too). Raises
    DependencyUnavailable (``model_unavailable``).
    """
    # Imported here to keep start-up cheap: only downloading a model needs the client.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    for file in files:
        notify(f"{source.repository}: {file.name}")
        try:
            hf_hub_download(
                source.repository,
                file.name,
                revision=source.revision,
                local_dir=folder,
                endpoint=endpoint,
            )
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise DependencyUnavailable(
                f"{file.name} could not be fetched: {reason}", code="model_unavailable"
            ) from error
