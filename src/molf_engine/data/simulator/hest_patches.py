"""Images of the spots of a section, in the layout of HEST-1k's ``patches/<id>.h5``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from molf_engine.data.simulator.tissue import PATCH_UM
from molf_engine.files import atomic_path

SIDE_PX = 224
"""HEST-1k's patches are 224 px of 0.5 um."""


def write_patches(slide_path: Path, st_path: Path, path: Path, um_per_pixel: float) -> None:
    """Write ``img`` (P, 224, 224, 3) uint8, ``coords`` (P, 2) and ``barcode`` (P, 1) of the spots of a section.

    ``coords`` are the upper left corners, x and y in level-0 pixels; the attribute ``patch_size_src`` is the side.
    Rows are in the order of the counts.
    """
    import anndata
    import h5py

    from molf_engine.slides import open_slide, read_patch

    adata = anndata.read_h5ad(st_path, backed="r")
    try:
        centres, names = np.asarray(adata.obsm["spatial"]), list(adata.obs_names)
    finally:
        adata.file.close()
    side = PATCH_UM / um_per_pixel
    with open_slide(slide_path, um_per_pixel) as slide, atomic_path(path) as beside, h5py.File(beside, "w") as file:
        shape = (len(centres), SIDE_PX, SIDE_PX, 3)
        images = file.create_dataset("img", shape, np.uint8, chunks=(1, *shape[1:]), compression="lzf")
        for row, centre in enumerate(centres):
            images[row] = read_patch(slide, centre, PATCH_UM, SIDE_PX)
        coords = file.create_dataset("coords", data=np.floor(centres - side / 2).astype(np.int64))
        for data in (images, coords):
            data.attrs["patch_size_src"] = round(side)
        file.create_dataset("barcode", data=np.array(names, dtype="S")[:, None])
