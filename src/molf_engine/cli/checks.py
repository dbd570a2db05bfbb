"""What `molf-engine doctor` looks at.  Each check is a row: what, whether it is all right, what was found, what to do."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

Check = dict[str, Any]

REQUIRED = (
    "torch",
    "lightning-fabric",
    "anndata",
    "zarr",
    "tifffile",
    "imagecodecs",
    "openslide-python",
    "safetensors",
    "scikit-learn",
)
OPTIONAL = {
    "napari": 'pip install "napari-molf[all]"',
    "PyQt6": 'pip install "napari-molf[all]"',
    "squidpy": "pip install squidpy",
}


def all_checks() -> list[Check]:
    """Every check, in the order in which a user would ask."""
    from molf_engine import __version__

    return [
        _row("napari-molf", True, __version__),
        _row(
            "Python",
            sys.version_info >= (3, 11),
            f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        ),
        *(_package(name, required=True, remedy=f"pip install {name}") for name in REQUIRED),
        *(_package(name, required=False, remedy=remedy) for name, remedy in OPTIONAL.items()),
        _openslide(),
        _device(),
        _memory(),
        _cache(),
        _bundles(),
    ]


def _row(what: str, good: bool, found: str, remedy: str = "") -> Check:
    return {"check": what, "ok": "ok" if good else "missing", "found": found, "remedy": remedy if not good else ""}


def _package(name: str, *, required: bool, remedy: str) -> Check:
    try:
        return _row(name, True, version(name))
    except PackageNotFoundError:
        row = _row(name, False, "not installed", remedy)
        return row if required else {**row, "ok": "optional"}


def _openslide() -> Check:
    remedy = "pip install openslide-bin"
    if importlib.util.find_spec("openslide") is None:
        return _row("OpenSlide library", False, "not installed", remedy)
    try:
        import openslide

        return _row("OpenSlide library", True, openslide.__library_version__)
    except (ImportError, OSError) as error:
        return _row("OpenSlide library", False, str(error).splitlines()[0], remedy)


def _device() -> Check:
    try:
        import torch
    except (ImportError, OSError) as error:
        return _row("device", False, f"torch cannot be loaded: {error}", "pip install --force-reinstall torch")
    if torch.cuda.is_available():
        found = f"training: cuda ({torch.cuda.get_device_name()}); prediction: cpu"
    elif torch.backends.mps.is_available():
        found = "training: mps; prediction: cpu"
    else:
        found = f"cpu, {torch.get_num_threads()} threads"
    return _row("device", True, found)


def _memory() -> Check:
    disk = shutil.disk_usage(os.path.expanduser("~")).free / 2**30
    return _row("free disk", disk > 1, f"{disk:.0f} GiB in the home folder", "free some space for the feature cache")


def _cache() -> Check:
    from molf_engine.encoders import FeatureCache

    info = FeatureCache().info()
    return _row(
        "feature cache",
        True,
        f"{info.path}: {info.slides} slides, {info.bytes / 2**20:.0f} MiB (--clear-cache empties it)",
    )


def _bundles() -> Check:
    from molf_engine.bundle import known_bundles

    names = known_bundles()
    return _row("models", bool(names), ", ".join(names) or "none", "train one: molf-engine train CONFIG -o FOLDER")
