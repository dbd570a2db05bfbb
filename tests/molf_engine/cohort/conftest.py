"""Small simulated slides, one of them larger, and what a plain run makes of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from molf_engine.data.simulator import SimulatedTissue, write_slide
from molf_engine.prediction import read_prediction

SIZES = {"a": 620.0, "big": 1400.0, "c": 620.0, "d": 620.0}
"""Side of each slide in um, which are pixels; by name."""


@pytest.fixture(scope="session")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of slides; read-only."""
    folder = tmp_path_factory.mktemp("slides")
    for seed, (name, size) in enumerate(SIZES.items()):
        write_slide(SimulatedTissue(seed, (size, size)), folder / f"{name}.tif")
    return folder


@pytest.fixture(scope="session")
def plain(slides: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Expression by slide, from a command of its own, in one process with one thread."""
    folder = tmp_path_factory.mktemp("plain")
    done = subprocess.run(
        [sys.executable, "-m", "molf_engine", "predict", slides, "-o", folder / "out", "-m", "demo"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "MOLF_CACHE_DIR": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: np.asarray(read_prediction(folder / "out" / f"{name}.h5ad").X) for name in SIZES}


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Order of sums, and so the last digits, depend on the number of threads."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
