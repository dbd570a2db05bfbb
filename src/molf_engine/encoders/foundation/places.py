"""Where the weights of a foundation encoder are: a folder of the user's, the Hugging Face cache, or the hub.

Looking never downloads.  Downloading is a step of its own, taken only where the user has accepted the licence.
"""

from __future__ import annotations

import os
from pathlib import Path

from molf_engine.encoders.foundation.table import KNOWN, FoundationSpec
from molf_engine.encoders.foundation.weights import INDEX, PICKLED, SAFE, has_weights
from molf_engine.errors import BundleError, MolfError

VARIABLE = "MOLF_ENCODER_DIR"
ACCEPTED = "MOLF_ACCEPT_LICENCE"
EXTRA = 'pip install "napari-molf[foundation]"'
_DESCRIPTIONS = ("config.json", "preprocessor_config.json")


def folder_on_this_machine(spec: FoundationSpec) -> Path | None:
    """Folder with the weights of a known encoder; none: they are not on this machine.

    First ``MOLF_ENCODER_DIR/<id>``, or the name that the folder has on the hub, then the Hugging Face cache.
    """
    return named_folder(spec.id) or named_folder(spec.hub.rpartition("/")[2]) or _in_hub_cache(spec.hub)


def locate(spec: FoundationSpec, *, accepted: bool = False) -> Path:
    """Folder with the weights of a known encoder, downloaded if they are not here and the licence is accepted.

    Parameters
    ----------
    spec
        Which one.
    accepted
        Whether the user has accepted its licence in this call; ``MOLF_ACCEPT_LICENCE``, ids with commas between, says so
        too.

    Raises
    ------
    MolfError
        If the weights are not here and the licence is not accepted: it says what they need and how to go on.  If they
        cannot be downloaded.
    """
    if (folder := folder_on_this_machine(spec)) is not None:
        return folder
    agreed = {name.strip().lower() for name in os.environ.get(ACCEPTED, "").split(",")}
    if accepted or spec.id in agreed:
        return download(spec)
    gate = f"Access is gated: it needs {spec.access}. " if spec.gated else "Access is open. "
    login = ", after `hf auth login`" if spec.gated else ""
    raise MolfError(
        f"The weights of {spec.id} are not on this machine. Licence: {spec.licence}. {gate}See {spec.page}. To go on, accept"
        f" the licence, which downloads {spec.gigabytes:g} GB: --accept-licence, or {ACCEPTED}={spec.id} in the"
        f" environment{login}. Or put the model's own files into a folder {spec.id} in the folder that {VARIABLE} names."
    )


def named_folder(name: str) -> Path | None:
    """``MOLF_ENCODER_DIR/<name>``, if it holds weights."""
    if not (given := os.environ.get(VARIABLE)):
        return None
    folder = Path(given).expanduser() / name
    return folder if has_weights(folder) else None


def own_folders() -> list[str]:
    """Names of the folders in ``MOLF_ENCODER_DIR`` that hold weights and are not those of known encoders."""
    if not (given := os.environ.get(VARIABLE)):
        return []
    try:
        folders = sorted(Path(given).expanduser().iterdir())
    except OSError:
        return []
    return [folder.name for folder in folders if known_by_folder(folder) is None and has_weights(folder)]


def known_by_folder(folder: Path) -> FoundationSpec | None:
    """Known encoder that a folder is named after, by its id or as on the hub."""
    name = folder.name.lower()
    return next((spec for spec in KNOWN.values() if name in (spec.id, spec.hub.rpartition("/")[2].lower())), None)


def _in_hub_cache(hub: str) -> Path | None:
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    repository = cache / f"models--{hub.replace('/', '--')}"
    try:
        revision = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    folder = repository / "snapshots" / revision
    return folder if has_weights(folder) else None


def download(spec: FoundationSpec) -> Path:
    """Download a known encoder into the Hugging Face cache and return its folder.

    Call this only where the user has accepted the licence.

    Raises
    ------
    MolfError
        If the library is missing, the hub cannot be reached, or it refuses this account.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
    except ImportError as error:
        raise MolfError(f"Downloading {spec.id} needs the package huggingface-hub: {EXTRA}") from error
    try:
        folder = Path(snapshot_download(spec.hub, allow_patterns=[*_DESCRIPTIONS, SAFE, INDEX, "model-*.safetensors"]))
        if not has_weights(folder):
            folder = Path(snapshot_download(spec.hub, allow_patterns=[*_DESCRIPTIONS, PICKLED]))
    except (GatedRepoError, RepositoryNotFoundError) as error:
        raise MolfError(
            f"The hub does not let this account have {spec.id}: it needs {spec.access}. Ask on {spec.page}, log in with"
            " `hf auth login`, and try again."
        ) from error
    except Exception as error:
        if not isinstance(error, (HfHubHTTPError, OSError)) and not _of_http_library(error):
            raise
        reason = str(error).partition("\n")[0]
        raise MolfError(
            f"{spec.id} could not be downloaded from {spec.page} ({reason}). Try again; what was downloaded is kept."
        ) from error
    if not has_weights(folder):
        raise BundleError(f"{spec.page} holds no {SAFE} or {PICKLED}. Its files may have been renamed.")
    return folder


def _of_http_library(error: Exception) -> bool:
    # Which one the hub's client uses, and so the class of a broken connection, has changed with its versions.
    return type(error).__module__.partition(".")[0] in {"requests", "httpx", "httpx2"}
