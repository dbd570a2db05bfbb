"""Nothing whole is read."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from molf_engine.slides import fingerprint, open_slide, read_patch, thumbnail

SIDE, TILE = 40_000, 256


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pyramid of 40,000 x 40,000 px: 4.8 GB if it were read whole."""
    path = tmp_path_factory.mktemp("large") / "large.tif"
    pixels = np.random.default_rng(0).integers(0, 255, (TILE, TILE, 3), dtype=np.uint8)
    tile = imagecodecs.jpeg_encode(pixels, level=60)

    def tiles(side: int) -> Iterator[bytes]:
        for _ in range((-(-side // TILE)) ** 2):
            yield tile

    side = SIDE
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        while side > 600:
            writer.write(
                tiles(side),
                shape=(side, side, 3),
                dtype=np.uint8,
                tile=(TILE, TILE),
                photometric="rgb",
                compression="jpeg",
                subfiletype=int(side < SIDE),
                resolution=(20_000, 20_000),
                resolutionunit="CENTIMETER",
                metadata=None,
            )
            side //= 2
    return path


def _bytes_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sizes: list[int] = []
    read = tifffile.FileHandle.read

    def counted(handle: tifffile.FileHandle, size: int = -1, /) -> bytes:
        data = read(handle, size)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(tifffile.FileHandle, "read", counted)
    return sizes


def test_one_patch_reads_a_few_tiles(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = _bytes_read(monkeypatch)
    with open_slide(large) as slide:
        patch = read_patch(slide, (20_001, 13_337), 112, 224)
    assert patch.shape == (224, 224, 3)
    assert sum(read) < large.stat().st_size / 100


def test_memory_follows_the_view_not_the_slide(large: Path) -> None:
    tracemalloc.start()
    try:
        with open_slide(large) as slide:
            thumbnail(slide, 1024)
            fingerprint(slide)
            slide.read_region(10_000, 10_000, 1000, 800)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 150e6


def test_the_tile_cache_is_bounded(large: Path) -> None:
    tracemalloc.start()
    try:
        with open_slide(large) as slide:
            for x in range(0, SIDE, TILE):
                slide.read_region(x, 0, 50, 5 * TILE)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The 785 tiles take 154 MB.
    assert peak < 130e6


def test_an_uncompressed_image_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "flat.tif"
    pixels = np.zeros((6000, 6000, 3), np.uint8)
    pixels[5000, 4000] = (1, 2, 3)
    tifffile.imwrite(path, pixels, photometric="rgb")
    del pixels
    tracemalloc.start()
    try:
        with open_slide(path) as slide:
            assert tuple(slide.read_region(4000, 5000, 1, 1)[0, 0]) == (1, 2, 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6
