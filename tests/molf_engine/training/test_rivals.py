"""The rivals of a bundle, fitted at once or section by section."""

from __future__ import annotations

import numpy as np
import pytest

from molf_engine.training import rivals

from .child_steps import settings, slides


def test_rivals_fitted_section_by_section_are_those_fitted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, held_out = slides(12), slides(2, seed=1)
    at_once = rivals.fit_rivals(made, held_out, settings(1))
    monkeypatch.setattr(rivals, "MLP_ROWS", 10)
    in_passes = rivals.fit_rivals(made, held_out, settings(1))
    assert at_once.keys() == in_passes.keys()
    features = np.concatenate([slide.features.numpy() for slide in held_out])
    for name in ("ridge", "depth.log1p", "depth.log1p-cp10k"):
        predicted = [_predict(name, fitted, features) for fitted in (at_once, in_passes)]
        np.testing.assert_allclose(predicted[0], predicted[1], atol=1e-4)


def _predict(name: str, fitted: dict[str, np.ndarray], features: np.ndarray) -> np.ndarray:
    from molf_engine.baselines import RIVALS

    own = {key.removeprefix(f"{name}."): value for key, value in fitted.items() if key.startswith(f"{name}.")}
    rival = RIVALS[name.partition(".")[0]].from_tensors(own)
    return rival.predict(features)
