"""A real slide and a real model, both small: simulated tissue and a bundle that was trained on it for a moment."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Tiny:
    """Paths of a slide, of a model that can predict it, and of a prediction."""

    slide: Path
    bundle: Path
    result: Path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Trained once per session; its maps mean nothing."""
    from molf_engine.bundle import Bundle
    from molf_engine.config import validate
    from molf_engine.data.simulator import write_hest_folder
    from molf_engine.prediction import predict_slide, write_prediction
    from molf_engine.slides import open_slide
    from molf_engine.training.run import train

    root = tmp_path_factory.mktemp("tiny")
    ids = write_hest_folder(root / "data", kinds=("SIM_A",), sections_per_kind=2, size_um=1300.0, um_per_pixel=2.0)
    stage = {"epochs": 2, "learning_rate": 1e-3}
    config = validate(
        {
            "name": "tiny",
            "data": {"path": str(root / "data"), "validation": [ids[-1]], "min_counts": 1},
            "flow": {"context_heads": 1},
            "training": {"vae": stage, "flow": stage},
            "guidance": {"scales": [1.0, 2.0]},
        }
    )
    bundle = train(config, root / "tiny")
    slide = root / "data" / "wsis" / f"{ids[0]}.tif"
    with open_slide(slide) as opened:
        write_prediction(predict_slide(opened, Bundle.load(bundle.path)), root / "result.h5ad")
    return Tiny(slide, bundle.path, root / "result.h5ad")


@pytest.fixture
def installed(tiny: Tiny, own_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """The tiny model among the models of this machine, the only one."""
    folder = tmp_path / "user-data" / "bundles" / "tiny"
    shutil.copytree(tiny.bundle, folder)
    monkeypatch.setattr("molf_engine.bundle.bundle.shipped_bundles", dict)
    return Tiny(tiny.slide, folder, tiny.result)


@pytest.fixture
def model() -> object:
    """A viewer without a window."""
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture
def viewer(make_napari_viewer: Callable) -> Iterator[object]:
    """A viewer with a window and real OpenGL."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1300, 900)
    yield viewer
