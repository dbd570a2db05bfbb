"""One predicted slide that the tests of this room look at from all sides."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import pytest

from molf_engine.bundle import Bundle
from molf_engine.prediction import predict_slide
from molf_engine.slides import open_slide


@pytest.fixture(scope="session")
def slide_path(corpus: Path) -> Path:
    return corpus / "wsis" / "SIM_A_4.tif"


@pytest.fixture(scope="session")
def predicted(tiny_bundle: Bundle, slide_path: Path) -> ad.AnnData:
    """Read-only: a whole slide at the bundle's own guidance."""
    with open_slide(slide_path) as slide:
        return predict_slide(slide, tiny_bundle, code="SIM_A", guidance=2.0)
