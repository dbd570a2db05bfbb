"""What is unlike training: the slide as a whole, and single patches of it."""

from __future__ import annotations

import numpy as np
import pytest

from molf_engine.bundle.reference import MIN_PATCHES, SHIFT_LIMIT, FeatureReference

WIDTH = 6


@pytest.fixture(scope="module")
def reference() -> FeatureReference:
    """Fitted to patches whose features are correlated and of different size."""
    return FeatureReference.fit(training(np.random.default_rng(0), 4000))


def training(rng: np.random.Generator, count: int) -> np.ndarray:
    mixing = np.triu(np.full((WIDTH, WIDTH), 0.5)) + np.diag(np.arange(1.0, WIDTH + 1))
    return (rng.normal(size=(count, WIDTH)) @ mixing + 10).astype(np.float32)


def test_about_one_patch_in_a_hundred_of_the_training_slides_is_unfamiliar(reference: FeatureReference) -> None:
    judged = reference.judge(training(np.random.default_rng(1), 4000))
    assert judged.shift is not None and judged.shift < 0.1
    assert np.mean(judged.distance > judged.threshold) == pytest.approx(0.01, abs=0.005)
    assert np.median(judged.distance) == pytest.approx(1, abs=0.1)


def test_a_shift_of_all_patches_is_found_and_taken_off(reference: FeatureReference) -> None:
    features = training(np.random.default_rng(2), 500)
    # Three standard deviations along every whitened direction.
    moved = features + 3 * np.linalg.inv(reference.whitening).sum(axis=0)
    judged = reference.judge(moved)
    assert judged.shift is not None and judged.shift == pytest.approx(3, abs=0.2) and judged.shift > SHIFT_LIMIT
    assert np.mean(judged.distance > judged.threshold) > 0.9
    assert judged.own_distance is not None
    assert np.mean(judged.own_distance > judged.threshold) < 0.03
    unmoved = reference.judge(features).own_distance
    assert unmoved is not None and np.allclose(judged.own_distance, unmoved, atol=1e-2)


def test_patches_that_are_odd_within_a_slide_stay_odd(reference: FeatureReference) -> None:
    features = training(np.random.default_rng(3), 500)
    features[:40] += 6 * np.linalg.inv(reference.whitening).sum(axis=0)
    judged = reference.judge(features)
    assert judged.shift is not None and judged.shift < SHIFT_LIMIT
    assert judged.own_distance is not None
    assert np.all(judged.own_distance[:40] > judged.threshold)
    assert np.mean(judged.own_distance[40:] > judged.threshold) < 0.05


def test_of_a_few_patches_no_shift_is_claimed(reference: FeatureReference) -> None:
    judged = reference.judge(training(np.random.default_rng(4), MIN_PATCHES - 1))
    assert judged.shift is None and judged.own_distance is None
    assert len(judged.distance) == MIN_PATCHES - 1


def test_statistics_of_an_older_bundle_are_enough(reference: FeatureReference) -> None:
    assert set(reference.tensors()) == {"mean", "whitening", "threshold"}
    again = FeatureReference.from_tensors(reference.tensors())
    features = training(np.random.default_rng(5), 50)
    assert np.array_equal(again.judge(features).distance, reference.distance(features))
