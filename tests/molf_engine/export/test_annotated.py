"""AnnData at the guidance on show keeps the contract: any scale is decoded exactly from its latents."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from molf_engine.bundle import Bundle
from molf_engine.export import Shown
from molf_engine.export.annotated import as_shown, write_anndata
from molf_engine.prediction import Guided, read_prediction


def test_at_its_own_guidance_a_prediction_is_written_as_it_is(predicted: ad.AnnData, tiny_bundle: Bundle) -> None:
    assert as_shown(Shown(predicted, tiny_bundle)) is predicted


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_a_moved_guidance_is_what_the_file_holds(
    predicted: ad.AnnData, tiny_bundle: Bundle, tmp_path: Path, suffix: str
) -> None:
    before = predicted.X.copy()
    path = tmp_path / f"moved{suffix}"
    write_anndata(Shown(predicted, tiny_bundle, 3.5), path)
    read = read_prediction(path)
    assert float(read.uns["molf"]["guidance"]) == 3.5 and str(read.uns["molf"]["estimate"]) == "mean"
    guided = Guided(read, tiny_bundle)
    assert np.allclose(read.X, guided.expression(3.5), atol=1e-5)
    assert np.allclose(read.obs["total"], guided.total(3.5), rtol=1e-5)
    for name in ("HYPOXIA", "APOPTOSIS"):
        assert np.allclose(read.obsm["hallmark"][name], guided.hallmark(name, 3.5), atol=1e-5, equal_nan=True)
    # And back: the way to any other scale is still open, and what is on show stays as it was.
    assert np.allclose(guided.expression(2.0), before, atol=1e-5)
    assert np.array_equal(predicted.X, before)


def test_spread_over_draws_does_not_outlive_its_estimate(predicted: ad.AnnData, tiny_bundle: Bundle) -> None:
    drawn = predicted.copy()
    drawn.layers["sd"] = np.ones_like(drawn.X)
    drawn.uns["molf"] = {**drawn.uns["molf"], "estimate": "sample", "draws": 8}
    moved = as_shown(Shown(drawn, tiny_bundle, 1.0))
    assert "sd" not in moved.layers and moved.uns["molf"]["draws"] == 0
    assert "sd" in as_shown(Shown(drawn, tiny_bundle)).layers


def test_names_of_experts_travel_beside_the_models_own(predicted: ad.AnnData, tmp_path: Path) -> None:
    count = len(predicted.uns["molf"]["expert_names"])
    names = ["stroma", *("" for _ in range(count - 1))]
    write_anndata(Shown(predicted, expert_names=names), tmp_path / "named.h5ad")
    read = read_prediction(tmp_path / "named.h5ad")
    assert list(read.uns["molf"]["expert_labels"])[:2] == ["stroma", "E2"]
    first = read.obs["expert"] == "E1"
    assert (read.obs["expert_label"][first] == "stroma").all()
    assert list(read.obs["expert"].cat.categories) == list(read.uns["molf"]["expert_names"])
