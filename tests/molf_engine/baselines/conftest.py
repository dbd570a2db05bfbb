"""A small problem with three sections that measure different genes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest


class Problem(NamedTuple):
    """Features, targets, mask and log totals of training spots, the section of each, and features to predict on."""

    features: np.ndarray
    targets: np.ndarray
    measured: np.ndarray
    log_total: np.ndarray
    section: np.ndarray
    new_features: np.ndarray
    new_targets: np.ndarray

    @property
    def training(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return self.features, self.targets, self.measured, self.log_total


@pytest.fixture
def problem() -> Problem:
    rng = np.random.default_rng(0)
    spots, width, genes = 150, 12, 9
    features = rng.normal(size=(spots + 60, width)) * rng.uniform(0.1, 30, width) + 100
    signal = (features - 100) / features.std(axis=0)
    targets = 2 + signal @ rng.normal(size=(width, genes)) * 0.3 + 0.5 * rng.normal(size=(len(features), genes))
    log_total = 8 + 0.5 * signal[:, 0] + 0.1 * rng.normal(size=len(features))
    section = np.repeat([0, 1, 2], spots // 3)
    by_section = np.ones((3, genes), dtype=bool)
    by_section[0, [1, 2]] = by_section[1, [2, 3]] = False
    by_section[:, 4] = False
    measured = by_section[section]
    seen = np.where(measured, targets[:spots], np.nan).astype(np.float32)
    return Problem(
        features[:spots].astype(np.float32), seen, measured, log_total[:spots], section,
        features[spots:].astype(np.float32), targets[spots:],
    )  # fmt: skip
