"""Predictions to export: one made by hand, whose values are known, and one of a real model."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import pytest

from molf_engine.bundle import Bundle
from molf_engine.export import Shown
from molf_engine.prediction import predict_slide
from molf_engine.slides import open_slide
from tests.napari_molf.fakes import prediction


@pytest.fixture
def shown() -> Shown:
    """4 x 5 patches of 40 px, 0.5 um per pixel, none in the upper left corner."""
    return Shown(prediction())


@pytest.fixture(scope="session")
def slide_path(corpus: Path) -> Path:
    return corpus / "wsis" / "SIM_A_4.tif"


@pytest.fixture(scope="session")
def predicted(tiny_bundle: Bundle, slide_path: Path) -> ad.AnnData:
    """Read-only: a whole slide at guidance 2."""
    with open_slide(slide_path) as slide:
        return predict_slide(slide, tiny_bundle, code="SIM_A", guidance=2.0)
