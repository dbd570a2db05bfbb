"""A toy slide and its patches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from molf_engine.slides import Patches, Slide, patch_grid

from .toy import PATCH_UM, open_toy, tissue_image, write_slide


@pytest.fixture(scope="module")
def slide_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slide(tmp_path_factory.mktemp("slide") / "toy.tif", tissue_image())


@pytest.fixture
def slide(slide_path: Path) -> Iterator[Slide]:
    with open_toy(slide_path) as opened:
        yield opened


@pytest.fixture
def patches(slide: Slide) -> Patches:
    return patch_grid(slide, PATCH_UM, min_tissue=0)
