"""What is said of a slide that looks unlike training."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from napari_molf.core.unfamiliar import (
    WHOLE,
    Unfamiliar,
    can_map,
    in_short,
    relative_distance,
    sentences,
    unfamiliar_of,
)
from tests.napari_molf.fakes import fake_bundle, fake_run


def judged_run(shift: float | None, odd: int):
    """A run whose patches are at distance 3, with a limit of 1.5; ``odd`` of them also without the slide's shift."""
    run = fake_run()
    adata = run.scores.adata
    adata.obs["distance"] = np.full(adata.n_obs, 3.0, np.float32)
    adata.obs["unfamiliar"] = True
    adata.obs["own_distance"] = np.where(np.arange(adata.n_obs) < odd, 2.0, 1.0).astype(np.float32)
    adata.uns["molf"]["familiar_distance"] = 1.5
    if shift is not None:
        adata.uns["molf"]["slide_shift"] = shift
    return run


def test_a_shift_of_the_whole_slide_is_told_apart_from_its_odd_patches() -> None:
    adata = judged_run(2.0, 3).scores.adata
    found = unfamiliar_of(adata)
    assert found == Unfamiliar(19, 19, True, 3)
    assert sentences(found) == [WHOLE, "3 patches (16 %) are unlike tissue the model has seen even so."]
    assert in_short(found) == "unlike as a whole; 3 patches (16 %) even so"


def test_a_slide_like_the_training_slides_has_its_odd_patches_only() -> None:
    assert sentences(Unfamiliar(400, 12, False, 11)) == ["12 patches (3 %) look unlike the training slides"]
    assert sentences(Unfamiliar(50, 1, False, 1)) == ["1 patch (2 %) looks unlike the training slides"]
    assert sentences(Unfamiliar(400, 0, False, 0)) == [] and in_short(Unfamiliar(400, 0, False, 0)).startswith("like")
    assert sentences(Unfamiliar(400, 390, True, 0)) == [WHOLE]


def test_an_older_result_says_what_it_knows_and_no_more() -> None:
    run = fake_run()
    found = unfamiliar_of(run.scores.adata)
    assert found == Unfamiliar(19, 2, None, None)
    assert sentences(found) == ["2 patches (11 %) look unlike the training slides"]
    assert not can_map(run.scores.adata, own=False) and relative_distance(run, own=False) is None


def test_a_model_without_statistics_of_its_training_says_nothing() -> None:
    adata = fake_run().scores.adata
    del adata.obs["unfamiliar"]
    assert unfamiliar_of(adata) is None and sentences(None) == []


def test_distances_are_in_units_of_the_limit() -> None:
    run = judged_run(2.0, 3)
    assert relative_distance(run, own=False) == pytest.approx(2.0)
    own = relative_distance(run, own=True)
    assert own is not None and own[:3] == pytest.approx(4 / 3) and own[3:] == pytest.approx(2 / 3)


def test_the_limit_of_an_older_result_comes_from_its_bundle() -> None:
    run = judged_run(None, 0)
    del run.scores.adata.uns["molf"]["familiar_distance"]
    bundle = fake_bundle()
    bundle.reference = lambda: SimpleNamespace(threshold=6.0)
    assert relative_distance(replace(run, bundle=bundle), own=False) == pytest.approx(0.5)
    bundle.reference = lambda: None
    assert relative_distance(replace(run, bundle=bundle), own=False) is None
