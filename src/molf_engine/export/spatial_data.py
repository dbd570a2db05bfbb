"""SpatialData: the table, its patches as squares, and the thumbnail, in level-0 pixels and in um."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.errors import MolfError
from molf_engine.export.annotated import as_shown
from molf_engine.export.provenance import provenance
from molf_engine.files import atomic_path
from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from molf_engine.export.shown import Shown

PIXELS, MICRONS = "global", "um"
"""Coordinate systems: level-0 pixels of the slide, and um from its upper left corner."""


def write_spatialdata(shown: Shown, path: Path, *, overwrite: bool = True, progress: ProgressCallback = silent) -> None:
    """Write a SpatialData store: ``patches`` (squares), ``thumbnail`` (image) and ``prediction`` (table of the patches).

    Raises
    ------
    MolfError
        If the library is not installed, or it cannot be written there.
    """
    try:
        import geopandas as gpd
        from shapely import box
        from spatialdata import SpatialData
        from spatialdata.models import Image2DModel, ShapesModel, TableModel
        from spatialdata.transformations import Identity, Scale
    except ImportError as error:
        raise MolfError(
            "SpatialData needs the library spatialdata, which is not installed. "
            'Install it with: pip install "napari-molf[spatialdata]"'
        ) from error

    progress(Progress("Decoding every gene", 0, 0))
    um, half = shown.um_per_pixel, shown.patch_px / 2
    x, y = shown.centres.T
    squares = gpd.GeoDataFrame(geometry=box(x - half, y - half, x + half, y + half), index=shown.patch_names)
    patches = ShapesModel.parse(
        squares, transformations={PIXELS: Identity(), MICRONS: Scale([um, um], axes=("x", "y"))}
    )
    entry = shown.adata.uns["spatial"][shown.slide_name]
    pixels = 1 / float(entry["scalefactors"]["tissue_hires_scalef"])
    thumbnail = Image2DModel.parse(
        np.moveaxis(np.asarray(entry["images"]["hires"], np.uint8), -1, 0),
        dims=("c", "y", "x"),
        c_coords=("r", "g", "b"),
        transformations={
            PIXELS: Scale([pixels, pixels], axes=("x", "y")),
            MICRONS: Scale([pixels * um, pixels * um], axes=("x", "y")),
        },
    )
    table = as_shown(shown).copy()
    table.obs["region"] = "patches"
    table.obs["region"] = table.obs["region"].astype("category")
    table.obs["patch_id"] = shown.patch_names
    table = TableModel.parse(table, region="patches", region_key="region", instance_key="patch_id")
    data = SpatialData(
        images={"thumbnail": thumbnail},
        shapes={"patches": patches},
        tables={"prediction": table},
        attrs={"molf": provenance(shown)},
    )
    progress(Progress("Writing", 0, 0))
    with atomic_path(path, overwrite=overwrite) as folder:
        data.write(folder)
