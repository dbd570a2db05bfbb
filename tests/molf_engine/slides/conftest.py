"""Slides written for the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile


def marked_image(width: int, height: int) -> np.ndarray:
    """RGB image without any symmetry: red grows with x, green with y, blue marks the upper left corner."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), np.zeros_like(x)], axis=-1)
    image[: height // 4, : width // 4, 2] = 200
    return image.astype(np.uint8)


def write_pyramid(path: Path, image: np.ndarray, *, levels: int = 3, subifds: bool = True, **options: object) -> Path:
    """Tiled pyramid without loss; SubIFDs (OME-TIFF) or one directory after another."""
    coarser = [image]
    for _ in range(levels - 1):
        last = coarser[-1].astype(np.float32)
        height, width = last.shape[0] // 2 * 2, last.shape[1] // 2 * 2
        quarters = last[:height, :width].reshape(height // 2, 2, width // 2, 2, *last.shape[2:])
        coarser.append(quarters.mean(axis=(1, 3)).round().astype(image.dtype))
    settings = {"tile": (128, 128), "photometric": "rgb", "compression": "zlib", **options}
    with tifffile.TiffWriter(path, ome=subifds and path.name.endswith(".ome.tif")) as writer:
        first = dict(settings)
        if subifds:
            first["subifds"] = levels - 1
        writer.write(image, **first)
        plain = {key: value for key, value in settings.items() if key != "metadata"}
        for level in coarser[1:]:
            writer.write(level, subfiletype=1, metadata=None, **plain)
    return path


@pytest.fixture
def marked_slide(tmp_path: Path) -> Path:
    """OME-TIFF of odd size, 0.5 um per pixel, three levels in SubIFDs, no tissue."""
    return write_pyramid(
        tmp_path / "marked.ome.tif",
        marked_image(1001, 747),
        metadata={"axes": "YXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5},
    )
