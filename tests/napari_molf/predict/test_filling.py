"""The map while it fills."""

from __future__ import annotations

import numpy as np
import pytest

from molf_engine.bundle import Bundle
from molf_engine.prediction import Guided, read_prediction
from napari_molf.core.scores import Score
from napari_molf.predict.filling import Filling
from tests.napari_molf.conftest import Tiny
from tests.napari_molf.fakes import latents


@pytest.fixture(scope="module")
def bundle(tiny: Tiny) -> Bundle:
    return Bundle.load(tiny.bundle)


@pytest.fixture(scope="module")
def adata(tiny: Tiny):
    return read_prediction(tiny.result)


def test_patches_appear_as_they_come_with_the_values_of_the_decoder(bundle: Bundle, adata) -> None:
    filling = Filling(bundle, adata.n_obs, Score("gene", "EPCAM"))
    first, second = np.arange(3, 8), np.array([0, 10])
    filling.add(first, latents(adata, first))
    score, values = filling.decode()
    assert score == Score("gene", "EPCAM") and np.isfinite(values).sum() == 5
    filling.add(second, latents(adata, second))
    assert filling.waiting
    _, values = filling.decode()
    assert not filling.waiting
    rows = np.sort(np.concatenate([first, second]))
    assert np.array_equal(np.flatnonzero(np.isfinite(values)), rows)
    expected = Guided(adata, bundle).gene("EPCAM", bundle.config.guidance, relative=True)
    assert np.allclose(values[rows], expected[rows], atol=1e-5)


def test_without_a_wish_the_hallmark_that_varies_most_so_far_fills_and_stays(bundle: Bundle, adata) -> None:
    filling = Filling(bundle, adata.n_obs)
    for rows in (np.arange(10), np.arange(10, 20)):
        filling.add(rows, latents(adata, rows))
        score, values = filling.decode()
    assert score.kind == "hallmark" and filling.score == score
    assert np.isfinite(values).sum() == 20
