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
    "transformers": 'pip install "napari-molf[foundation]"',
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
        _timm(),
        _openslide(),
        _device(),
        _memory(),
        _cache(),
        _bundles(),
        *_foundation_encoders(),
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


def _timm() -> Check:
    row = _package("timm", required=False, remedy='pip install "napari-molf[foundation]"')
    if row["ok"] == "ok":
        try:
            import timm  # noqa: F401
        except (ImportError, RuntimeError) as error:
            # It needs torchvision, which fails with a RuntimeError beside another torch than its own.
            found = f"{row['found']} cannot be imported: {str(error).partition(chr(10))[0]}"
            return {**_row("timm", False, found, "install the torchvision that belongs to torch"), "ok": "optional"}
    return row


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


def _foundation_encoders() -> list[Check]:
    """Two rows: those on this machine with their licences, and the others by licence."""
    from molf_engine.encoders.foundation import KNOWN, folder_on_this_machine, own_folders

    here = [name for name, spec in KNOWN.items() if folder_on_this_machine(spec) is not None]
    named = [*(f"{name} ({KNOWN[name].licence})" for name in here), *own_folders()]
    licences: dict[str, list[str]] = {}
    for name, spec in KNOWN.items():
        if name not in here:
            licences.setdefault(spec.licence, []).append(name + (" (gated)" if spec.gated else ""))
    others = "; ".join(f"{licence}: {', '.join(names)}" for licence, names in licences.items())
    remedy = "name one (molf-engine prepare --encoder NAME): it is said how to get it"
    return [
        {
            **_row("foundation encoders", bool(named), ", ".join(named) or "none", remedy),
            "ok": "ok" if named else "optional",
        },
        {**_row("encoders not here", not others, others or "none", remedy), "ok": "optional" if others else "ok"},
    ]
