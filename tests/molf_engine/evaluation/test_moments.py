"""Moments give the correlations of the spots that they are of, section by section and pooled."""

from __future__ import annotations

import numpy as np
import pytest

from molf_engine.errors import DataError
from molf_engine.evaluation.metrics import pcc
from molf_engine.evaluation.moments import moments, pooled


def pair(spots: int, genes: int = 9, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    measured = rng.gamma(1.0, 1.0, (spots, genes)).astype(np.float32)
    return (measured + 5 * rng.normal(size=measured.shape)).astype(np.float32) + 100, measured


def test_three_spots_by_hand() -> None:
    predicted, measured = np.array([[1.0], [2.0], [3.0]]), np.array([[2.0], [2.0], [5.0]])
    found = moments(predicted, measured)
    assert (found.n[0], found.mean_predicted[0], found.mean_measured[0]) == (3, 2, 3)
    assert (found.m2_predicted[0], found.m2_measured[0], found.comoment[0]) == (2, 6, 3)
    assert found.pcc()[0] == pytest.approx(3 / np.sqrt(12))


def test_the_correlation_is_that_of_the_metric() -> None:
    predicted, measured = pair(500)
    mask = np.arange(9) != 4
    predicted[:, 2] = 0.1
    measured[:, 6] = 0
    np.testing.assert_allclose(
        moments(predicted, measured, mask).pcc(), pcc(predicted, measured, mask), atol=1e-9, rtol=0
    )


def test_pooling_is_the_metric_of_the_concatenated_spots() -> None:
    sections = [pair(spots, seed=seed) for seed, spots in enumerate((3, 400, 1, 90))]
    for place, (predicted, measured) in enumerate(sections):
        predicted[:, 1] = 0.1
        # Constant within every section, but not over all of them.
        predicted[:, 3] = 0.1 * place
        measured[:, 5] += 7 * place
    together = pooled(moments(*section) for section in sections).pcc()
    concatenated = pcc(*(np.concatenate(side) for side in zip(*sections, strict=True)))
    assert np.isnan(together[1])
    assert np.isfinite(together[3])
    np.testing.assert_allclose(together, concatenated, atol=1e-9, rtol=0)


def test_a_section_that_did_not_measure_a_gene_adds_nothing_to_it() -> None:
    first, second = pair(50, seed=1), pair(60, seed=2)
    mask = np.arange(9) != 0
    together = pooled([moments(*first, mask), moments(*second)])
    assert together.n[0] == 60
    assert together.pcc()[0] == pytest.approx(pcc(*second)[0], abs=1e-9)


def test_a_large_offset_does_not_blur_the_correlation() -> None:
    predicted, measured = (side.astype(np.float64) for side in pair(200))
    shifted = pooled([moments(predicted[:70] + 1e7, measured[:70]), moments(predicted[70:] + 1e7, measured[70:])])
    np.testing.assert_allclose(shifted.pcc(), pcc(predicted, measured), atol=1e-7)


def test_a_section_without_spots_has_no_correlation() -> None:
    nothing = moments(np.empty((0, 2)), np.empty((0, 2)))
    assert np.isnan(nothing.pcc()).all()
    one = pair(30, genes=2)
    np.testing.assert_allclose(pooled([nothing, moments(*one)]).pcc(), pcc(*one), atol=1e-9)


def test_sections_of_other_panels_are_not_pooled() -> None:
    with pytest.raises(DataError, match="one panel"):
        pooled([moments(*pair(4, genes=2)), moments(*pair(4, genes=3))])
    with pytest.raises(DataError, match="no section"):
        pooled([])
