"""Small folders exactly as HEST-1k lays them out: counts, slide, ready-cut patches, metadata."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import tifffile

from molf_engine.data.corpus import EncoderChoice, Recipe, Report, find_sources, prepare_corpus
from tests.molf_engine.encoders.toy import MeanColour, tissue_image

UM_PER_PIXEL = 0.5
SIDE_PX = 224
GENES = ("ACTB", "ERBB2", "GNAS", "KRT19")
PANEL = ("ACTB", "ERBB2", "GNAS", "MISSING")
SPOTS = 12


@dataclass
class PatchColour(MeanColour):
    """Mean colour of 112 um at 224 px, the field of the foundation encoders; it can be stored."""

    name: str = "patch-colour-v1:000000000000"
    field_um: float = 112.0
    field_px: int = SIDE_PX

    def save(self, folder: Path) -> None:
        (folder / "encoder.json").write_text(json.dumps({"kind": "toy", "name": self.name}))


def counts_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).poisson(60, (SPOTS, len(GENES))).astype(np.float32)


def centres_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 100).uniform(120, 480, (SPOTS, 2))


def barcodes_of(seed: int) -> list[str]:
    return [f"AAAC{seed:02d}{index:03d}-1" for index in range(SPOTS)]


def write_counts(folder: Path, name: str, seed: int = 0, counts: Any = None, genes=GENES, **parts: Any) -> None:
    path = folder / "st" / f"{name}.h5ad"
    path.parent.mkdir(parents=True, exist_ok=True)
    obs = pd.DataFrame(index=parts.pop("names", barcodes_of(seed)))
    obsm = {"spatial": centres_of(seed), **parts.pop("obsm", {})}
    X = counts_of(seed) if counts is None else counts
    anndata.AnnData(X=X, obs=obs, var=pd.DataFrame(index=list(genes)), obsm=obsm, **parts).write_h5ad(path)


def write_slide(folder: Path, name: str, seed: int = 0) -> np.ndarray:
    path = folder / "wsis" / f"{name}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    image = tissue_image(600, seed)
    tifffile.imwrite(path, image, photometric="rgb", tile=(128, 128), compression="deflate")
    return image


def write_patches(folder: Path, name: str, seed: int = 0, **parts: Any) -> np.ndarray:
    """``img``, ``coords`` (upper left corners in whole level-0 pixels) and ``barcode`` (N, 1), in another order than the spots."""
    order = np.random.default_rng(seed + 7).permutation(SPOTS)
    images = parts.pop("img", np.random.default_rng(seed + 3).integers(0, 255, (SPOTS, SIDE_PX, SIDE_PX, 3), np.uint8))
    path = folder / "patches" / f"{name}.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    keep = parts.pop("keep", slice(None))
    names = parts.pop("barcode", np.array(barcodes_of(seed), "S"))
    with h5py.File(path, "w") as file:
        stack = file.create_dataset("img", data=images[order][keep], chunks=(1, *images.shape[1:]))
        if parts.pop("coords", True):
            corners = (centres_of(parts.pop("centres_of", seed)) - SIDE_PX // 2).astype(int)
            file.create_dataset("coords", data=corners[order][keep])
        if names is not None:
            file.create_dataset("barcode", data=names[order][keep][:, None])
        stack.attrs["patch_size_src"] = SIDE_PX
    assert not parts
    return images


def write_metadata(folder: Path, name: str, **values: Any) -> None:
    path = folder / "metadata" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {
        "pixel_size_um_estimated": UM_PER_PIXEL,
        "organ": "Breast",
        "oncotree_code": "IDC",
        "patient": None,
        **values,
    }
    path.write_text(json.dumps(facts))


def write_section(folder: Path, name: str, seed: int = 0, *, slide: bool = True, patches: bool = False) -> None:
    write_counts(folder, name, seed)
    write_metadata(folder, name)
    if slide:
        write_slide(folder, name, seed)
    if patches:
        write_patches(folder, name, seed)


def recipe(**changes: Any) -> Recipe:
    return Recipe(**{"panel": "four", "genes": PANEL, **changes})


def prepare(folder: Path, output: Path, *, encoder: MeanColour | None = None, **options: Any) -> Report:
    """Prepare all of a folder with the toy encoder."""
    ids = options.pop("ids", ())
    features, name = options.pop("features", None), options.pop("name", "")
    sources = find_sources(folder, ids, table=options.pop("table", None), features=features)
    choice = (
        EncoderChoice(features=features, name=name)
        if features is not None
        else EncoderChoice(encoder=encoder if encoder is not None else PatchColour())  # type: ignore[arg-type]
    )
    return prepare_corpus(sources, output, options.pop("recipe", recipe()), choice, **options)
