"""Samples, pictures and neighbours of latents whose arrangement is known."""

from __future__ import annotations

import numpy as np
import pytest

from molf_engine.evaluation.routing.latent_space import (
    LatentSample,
    embed,
    fair_shares,
    neighbour_purity,
    principal_plane,
    sample_latents,
)
from molf_engine.evaluation.routing.observe import RoutedSection
from tests.molf_engine.evaluation.routing.made import routed


def clouds(types: list[str], sections: list[str], seed: int = 0, spots: int = 30) -> LatentSample:
    """A tight cloud for every (type, section), types far apart and in directions of their own."""
    generator = np.random.default_rng(seed)
    names = sorted(set(types))
    directions = np.eye(8)[[names.index(name) for name in types]]
    latents = np.repeat(directions, spots, axis=0) + generator.normal(0, 0.05, (spots * len(types), 8))
    return LatentSample(
        latents, latents, np.repeat(types, spots), np.repeat(sections, spots), np.repeat(sections, spots), None
    )


def test_places_are_shared_as_evenly_as_the_groups_allow() -> None:
    assert fair_shares([100, 5, 100], 45) == [20, 5, 20]
    assert fair_shares([3, 4], 100) == [3, 4]
    assert fair_shares([], 10) == []


def test_latents_and_labels_of_a_sample_belong_to_the_same_spots() -> None:
    def section(name: str, code: str, value: float, count: int) -> RoutedSection:
        latents = np.column_stack([np.full(count, value), np.arange(count)]).astype(np.float32)
        # The first expert of a spot is its number modulo 3, and its latent says its number.
        logits = np.eye(3)[np.arange(count) % 3]
        return routed(logits, name, code, name, latents=latents)

    sample = sample_latents([section("A", "IDC", 1, 50), section("B", "PRAD", 2, 8)], per_type=20, seed=3)
    assert len(sample) == 28
    np.testing.assert_array_equal(sample.types, np.where(sample.measured[:, 0] == 1, "IDC", "PRAD"))
    np.testing.assert_array_equal(sample.experts, sample.measured[:, 1] % 3)


def test_clouds_apart_have_pure_neighbours_in_other_sections_too() -> None:
    found = neighbour_purity(clouds(["IDC", "IDC", "PRAD", "PRAD"], ["A", "B", "C", "D"]))
    assert {(purity.label, purity.neighbours) for purity in found} == {("type", "all"), ("type", "other sections")}
    assert all(purity.purity == 1 for purity in found)
    chance = {purity.neighbours: purity.chance for purity in found}
    assert chance["all"] == pytest.approx(59 / 119)
    assert chance["other sections"] == pytest.approx(1 / 3)


def test_labels_that_mean_nothing_have_the_purity_of_chance() -> None:
    sample = clouds(["IDC"] * 4, ["A", "B", "C", "D"], spots=250)
    shuffled = np.random.default_rng(1).permutation(np.repeat(["x", "y"], 500))
    mixed = LatentSample(sample.measured, sample.predicted, shuffled, sample.sections, sample.patients, None)
    for purity in neighbour_purity(mixed):
        assert purity.purity == pytest.approx(purity.chance, abs=0.02)


def test_a_type_with_one_section_is_left_out_where_other_sections_are_asked() -> None:
    found = neighbour_purity(clouds(["IDC", "IDC", "PRAD"], ["A", "B", "C"]))
    spots = {purity.neighbours: purity.spots for purity in found}
    assert spots == {"all": 90, "other sections": 60}


def test_the_principal_plane_is_that_of_the_largest_variance_whatever_the_sign() -> None:
    generator = np.random.default_rng(0)
    points = generator.normal(size=(200, 5)) * [0.01, 5, 0.01, 2, 0.01]
    plane = principal_plane(points)
    np.testing.assert_allclose(np.abs(plane.axes), [[0, 1, 0, 0, 0], [0, 0, 0, 1, 0]], atol=0.05)
    assert (plane.axes.max(axis=1) > 0.9).all()
    assert plane.share > 0.999


def test_without_umap_the_picture_is_a_pca() -> None:
    sample = clouds(["IDC", "PRAD"], ["A", "B"])
    found = embed(sample.measured, umap=False)
    assert found.method == "PCA"
    assert found.points.shape == (60, 2)


def test_umap_keeps_clouds_apart_and_repeats_itself() -> None:
    pytest.importorskip("umap")
    sample = clouds(["IDC", "PRAD"], ["A", "B"])
    found = embed(sample.measured, seed=1)
    assert found.method == "UMAP"
    first, second = found.points[:30], found.points[30:]
    assert np.linalg.norm(first.mean(axis=0) - second.mean(axis=0)) > 2 * max(first.std(), second.std())
    np.testing.assert_array_equal(embed(sample.measured, seed=1).points, found.points)
