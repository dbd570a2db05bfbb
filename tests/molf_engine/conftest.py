"""A small world that the engine's tests share: simulated sections, and a bundle trained on them in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from molf_engine.bundle import Bundle
from molf_engine.config import RunConfig, validate
from molf_engine.data.simulator import write_hest_folder
from molf_engine.encoders import FeatureCache
from molf_engine.evaluation.coverage import section_coverage
from molf_engine.training import writing
from molf_engine.training.run import train


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four simulated sections of one kind, about a hundred spots each."""
    folder = tmp_path_factory.mktemp("corpus") / "sections"
    write_hest_folder(folder, kinds=("SIM_A",), sections_per_kind=4, size_um=1300.0, seed=3)
    return folder


@pytest.fixture(scope="session", autouse=True)
def few_draws() -> Iterator[None]:
    """Cards of trained models tell the coverage of 9 draws in 4 steps, not of 39 in 16: most of the time of a tiny training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "section_coverage", partial(section_coverage, draws=9, steps=4))
        yield


def tiny_settings(corpus: Path, **changes: object) -> RunConfig:
    """Settings of a run that takes seconds."""
    values = {
        "name": "tiny",
        "data": {"path": str(corpus), "validation": ["SIM_A_3"], "test": ["SIM_A_4"]},
        "vae": {"latent": 8, "width": 32, "feedforward": 32},
        "flow": {"expert_width": 16, "expert_feedforward": 32, "context_feedforward": 32},
        "training": {"vae": {"epochs": 12}, "flow": {"epochs": 12, "gate_learning_rate": 1e-4}, "device": "cpu"},
        "guidance": {"scales": [1.0, 2.0, 3.0]},
    }
    for name, value in changes.items():
        section, _, key = name.partition("__")
        if key:
            values[section] = {**values[section], key: value}  # type: ignore[dict-item]
        else:
            values[section] = value
    return validate(values)


def train_tiny(settings: RunConfig, output: Path, **options: Any) -> Bundle:
    """Train, with the features of a simulated corpus encoded once for all tests."""
    assert settings.data.path is not None
    return train(settings, output, cache=FeatureCache(settings.data.path.parent / "features"), **options)


@pytest.fixture(scope="session")
def tiny_bundle(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A trained bundle; treat it as read-only."""
    return train_tiny(tiny_settings(corpus), tmp_path_factory.mktemp("bundles") / "tiny")
