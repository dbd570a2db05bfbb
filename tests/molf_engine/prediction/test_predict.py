"""Predicting a slide: regions, positions, draws, and everything that can be wrong with a slide."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from PIL import Image

from molf_engine.bundle import Bundle
from molf_engine.encoders import FeatureCache
from molf_engine.errors import BundleError, Cancelled, ConfigError, DataError, MissingScaleError, NoTissueError
from molf_engine.prediction import Guided, predict_slide, validate
from molf_engine.prediction.predict import Estimation
from molf_engine.progress import Progress
from molf_engine.slides import open_slide, patches_at
from molf_engine.training.run import train
from tests.molf_engine.conftest import tiny_settings


def test_a_region_has_the_patches_of_the_whole_slide_in_it(
    predicted: ad.AnnData, tiny_bundle: Bundle, slide_path: Path
) -> None:
    square = np.array([[300.0, 300], [900, 300], [900, 900], [300, 900]])
    with open_slide(slide_path) as slide:
        part = predict_slide(slide, tiny_bundle, regions=[square])
    inside = (np.abs(predicted.obsm["spatial"] - 600) < 300).all(axis=1)
    assert set(part.obs_names) == set(predicted.obs_names[inside])
    assert 0 < part.n_obs < predicted.n_obs


def test_given_positions_keep_their_names(tiny_bundle: Bundle, slide_path: Path) -> None:
    with open_slide(slide_path) as slide:
        patches = patches_at(slide, np.array([[400.0, 500], [610.5, 444]]), 112.0, ("AAA-1", "CCC-1"))
        adata = predict_slide(slide, tiny_bundle, patches=patches)
    assert list(adata.obs_names) == ["AAA-1", "CCC-1"]
    assert (adata.obs[["row", "col"]] == -1).all(axis=None)
    assert "grid" not in adata.uns["molf"]


def test_the_cache_spares_the_second_run_all_encoding(tiny_bundle: Bundle, slide_path: Path, own_cache: Path) -> None:
    reports: list[Progress] = []
    with open_slide(slide_path) as slide:
        first = predict_slide(slide, tiny_bundle, cache=FeatureCache(), progress=reports.append)
        assert any(report.phase == "Encoding patches" for report in reports)
        reports.clear()
        second = predict_slide(slide, tiny_bundle, code="SIM_A", cache=FeatureCache(), progress=reports.append)
    assert not any(report.phase == "Encoding patches" for report in reports)
    assert first.n_obs == second.n_obs


def test_draws_give_a_spread_and_their_seed_decides(tiny_bundle: Bundle, slide_path: Path) -> None:
    def draw(seed: int) -> ad.AnnData:
        with open_slide(slide_path) as slide:
            return predict_slide(slide, tiny_bundle, estimation=Estimation("sample", steps=4, draws=3, seed=seed))

    first, again, other = draw(1), draw(1), draw(2)
    np.testing.assert_array_equal(first.X, again.X)
    assert not np.array_equal(first.X, other.X)
    assert first.layers["sd"].shape == first.shape
    assert (first.layers["sd"] > 0).any()
    assert first.uns["molf"]["draws"] == 3


def test_partial_results_arrive_before_the_end_and_cover_all_patches(tiny_bundle: Bundle, slide_path: Path) -> None:
    seen: set[int] = set()
    with open_slide(slide_path) as slide:
        adata = predict_slide(
            slide, tiny_bundle, on_partial=lambda patches, index, latents: seen.update(index.tolist())
        )
    assert seen == set(range(adata.n_obs))


def test_cancelling_keeps_what_was_encoded(tiny_bundle: Bundle, slide_path: Path, own_cache: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.phase == "Encoding patches" and progress.done > 20:
            raise Cancelled

    with open_slide(slide_path) as slide, pytest.raises(Cancelled):
        predict_slide(slide, tiny_bundle, cache=FeatureCache(), progress=stop)
    assert FeatureCache().info().bytes > 0


def test_a_slide_without_a_scale_asks_for_it(tiny_bundle: Bundle, tmp_path: Path, slide_path: Path) -> None:
    with open_slide(slide_path) as slide:
        Image.fromarray(slide.read_region(0, 0, 600, 600)).save(tmp_path / "plain.png")
    with open_slide(tmp_path / "plain.png") as slide, pytest.raises(MissingScaleError, match="um-per-pixel"):
        predict_slide(slide, tiny_bundle)
    with open_slide(tmp_path / "plain.png", 1.0) as slide:
        assert predict_slide(slide, tiny_bundle).n_obs > 0


def test_an_empty_slide_has_no_tissue(tiny_bundle: Bundle, tmp_path: Path) -> None:
    Image.new("RGB", (900, 900), (243, 242, 244)).save(tmp_path / "empty.png")
    with open_slide(tmp_path / "empty.png", 1.0) as slide, pytest.raises(NoTissueError, match="no tissue"):
        predict_slide(slide, tiny_bundle)


def test_an_unknown_code_is_refused_before_any_work(tiny_bundle: Bundle, slide_path: Path) -> None:
    reports: list[Progress] = []
    with open_slide(slide_path) as slide, pytest.raises(BundleError, match="does not know the cancer code 'COAD'"):
        predict_slide(slide, tiny_bundle, code="COAD", progress=reports.append)
    assert not reports


@pytest.mark.parametrize("guidance", [-1.0, float("nan"), float("inf")])
def test_a_guidance_scale_that_is_none_is_refused(tiny_bundle: Bundle, slide_path: Path, guidance: float) -> None:
    with open_slide(slide_path) as slide, pytest.raises(ConfigError, match="guidance scale"):
        predict_slide(slide, tiny_bundle, guidance=guidance)


def test_features_of_another_width_are_refused(tiny_bundle: Bundle, slide_path: Path) -> None:
    with open_slide(slide_path) as slide:
        patches = patches_at(slide, np.array([[400.0, 500]]), 112.0)
        with pytest.raises(DataError, match="another encoder"):
            predict_slide(slide, tiny_bundle, patches=patches, features=np.zeros((1, 5), np.float32))


@pytest.mark.parametrize(
    "arguments", [{"kind": "median"}, {"draws": 0}, {"kind": "sample", "steps": 0}, {"steps": 5}, {"draws": 4}]
)
def test_an_estimate_that_makes_no_sense_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Estimation(**arguments)  # type: ignore[arg-type]


def test_a_model_of_raw_counts_without_experts_keeps_the_contract(
    corpus: Path, slide_path: Path, tmp_path: Path
) -> None:
    short = {"vae": {"epochs": 2}, "flow": {"epochs": 2}, "device": "cpu"}
    settings = tiny_settings(
        corpus, training=short, data__units="log1p", vae__standardise=False, flow__velocity="dense"
    )
    bundle = train(settings, tmp_path / "raw")
    with open_slide(slide_path) as slide:
        adata = predict_slide(slide, bundle, guidance=1.5)
    validate(adata)
    assert adata.uns["molf"]["units"] == "log1p"
    assert (adata.obs["expert"] == "E1").all()
    assert (adata.obs["total"] > 0).all()
    guided, gene = Guided(adata, bundle), "EPCAM"
    np.testing.assert_allclose(guided.gene(gene, 1.5), adata[:, gene].X[:, 0], atol=1e-5)
    composition = np.expm1(np.abs(guided.gene(gene, 1.5))) * 1e4 / adata.obs["total"].to_numpy()
    np.testing.assert_allclose(
        np.expm1(np.abs(guided.gene(gene, 1.5, relative=True))), composition, rtol=1e-3, atol=1e-4
    )
