"""Predicting a slide: regions, positions, draws, and everything that can be wrong with a slide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pytest
from PIL import Image

from molf_engine.bundle import Bundle
from molf_engine.cli import main
from molf_engine.encoders import FeatureCache
from molf_engine.errors import BundleError, Cancelled, ConfigError, DataError, MissingScaleError, NoTissueError
from molf_engine.prediction import Guided, predict_slide, read_prediction, validate, write_prediction
from molf_engine.prediction.predict import Estimation
from molf_engine.progress import Progress
from molf_engine.slides import Patches, Slide, open_slide, patches_at
from molf_engine.training.run import train
from tests.molf_engine.conftest import tiny_settings


@dataclass(frozen=True)
class GivenPatches:
    """Patches of a slide with features: predicting them needs no encoder."""

    slide: Slide
    patches: Patches
    features: np.ndarray

    def predict(self, bundle: Bundle, **settings: Any) -> ad.AnnData:
        return predict_slide(self.slide, bundle, patches=self.patches, features=self.features, **settings)

    def subset(self, index: np.ndarray) -> GivenPatches:
        return GivenPatches(self.slide, self.patches.subset(index), self.features[index])


@pytest.fixture
def given(tiny_bundle: Bundle, slide_path: Path) -> Iterator[GivenPatches]:
    random = np.random.default_rng(4)
    with open_slide(slide_path) as slide:
        patches = patches_at(slide, random.uniform(200, 1000, (20, 2)), tiny_bundle.config.patch.size_um)
        yield GivenPatches(slide, patches, random.standard_normal((20, tiny_bundle.config.features)).astype(np.float32))


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


@pytest.mark.parametrize(
    ("kind", "steps"), [("sample", None), ("sample", 1), ("sample", 5), ("released", None), ("released", 3)]
)
@pytest.mark.parametrize("guidance", [0.0, 1.0, 2.5])
def test_any_steps_and_any_scale_keep_the_contract(
    given: GivenPatches, tiny_bundle: Bundle, kind: str, steps: int | None, guidance: float
) -> None:
    adata = given.predict(tiny_bundle, guidance=guidance, estimation=Estimation(kind, steps))  # type: ignore[arg-type]
    validate(adata)
    assert np.isfinite(adata.X).all()
    assert "sd" not in adata.layers
    assert adata.uns["molf"]["steps"] == steps or {"sample": 16, "released": 2}[kind]


def test_the_noise_belongs_to_the_place_and_not_to_the_row(given: GivenPatches, tiny_bundle: Bundle) -> None:
    estimation = Estimation("sample", steps=3, draws=2)
    order = np.random.default_rng(0).permutation(len(given.patches))
    straight = given.predict(tiny_bundle, estimation=estimation)
    shuffled = given.subset(order).predict(tiny_bundle, estimation=estimation)
    np.testing.assert_allclose(shuffled.X, straight.X[order], atol=1e-4)
    np.testing.assert_allclose(shuffled.layers["sd"], straight.layers["sd"][order], atol=1e-4)


def test_draws_are_decoded_a_few_patches_at_a_time(
    given: GivenPatches, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimation = Estimation("sample", steps=2, draws=5)
    whole = given.predict(tiny_bundle, estimation=estimation)
    monkeypatch.setattr("molf_engine.prediction.predict._BLOCK_PATCHES", 7)
    parts = given.predict(tiny_bundle, estimation=estimation)
    np.testing.assert_allclose(parts.X, whole.X, atol=1e-5)
    np.testing.assert_allclose(parts.layers["sd"], whole.layers["sd"], atol=1e-5)
    single = [given.predict(tiny_bundle, estimation=Estimation("sample", 2, 1, seed)).X for seed in (0, 1)]
    assert not np.array_equal(*single)


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_the_guidance_interval_changes_the_draws_and_is_kept(
    given: GivenPatches, tiny_bundle: Bundle, tmp_path: Path, suffix: str
) -> None:
    results = {}
    for interval in ((0.0, 1.0), (0.3, 0.7)):
        estimation = Estimation("sample", steps=8, guidance_interval=interval)
        results[interval] = given.predict(tiny_bundle, guidance=3.0, estimation=estimation)
    whole, part = results.values()
    assert not np.allclose(whole.X, part.X)
    np.testing.assert_array_equal(part.obsm["latent_cond"], whole.obsm["latent_cond"])
    write_prediction(part, tmp_path / f"part{suffix}")
    np.testing.assert_array_equal(
        read_prediction(tmp_path / f"part{suffix}").uns["molf"]["guidance_interval"], (0.3, 0.7)
    )


def test_the_shell_takes_a_guidance_interval(tiny_bundle: Bundle, slide_path: Path, tmp_path: Path) -> None:
    target = tmp_path / "one.h5ad"
    call = ["predict", str(slide_path), "-o", str(target), "-m", str(tiny_bundle.path), "--estimate", "sample"]
    with pytest.raises(SystemExit) as stop:
        main([*call, "--steps", "4", "--guidance-interval", "0.25", "0.5"])
    assert not stop.value.code
    molf = read_prediction(target).uns["molf"]
    assert tuple(molf["guidance_interval"]) == (0.25, 0.5)
    assert molf["steps"] == 4


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
    "arguments",
    [
        {"kind": "median"},
        {"draws": 0},
        {"kind": "sample", "steps": 0},
        {"steps": 5},
        {"draws": 4},
        {"seed": -1},
        {"guidance_interval": (0.2, 0.8)},
        {"kind": "sample", "guidance_interval": (0.8, 0.2)},
        {"kind": "released", "guidance_interval": (0.6, 0.9)},
    ],
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


def test_bfloat16_moves_the_values_little_and_is_stated(
    tiny_bundle: Bundle, slide_path: Path, predicted: ad.AnnData
) -> None:
    with open_slide(slide_path) as slide:
        half = predict_slide(slide, tiny_bundle, code="SIM_A", guidance=2.0, precision="bfloat16")
    validate(half)
    assert half.uns["molf"]["precision"] == "bfloat16"
    assert predicted.uns["molf"]["precision"] == "float32"
    moved = np.abs(half.X - predicted.X)
    assert 0 < moved.max() < 0.1


def test_the_shift_of_the_whole_slide_is_kept_beside_the_distance_of_each_patch(
    predicted: ad.AnnData, tiny_bundle: Bundle
) -> None:
    reference = tiny_bundle.reference()
    assert reference is not None
    molf, obs = predicted.uns["molf"], predicted.obs
    assert molf["familiar_distance"] == reference.threshold
    assert ((obs["distance"] > reference.threshold) == obs["unfamiliar"]).all()
    # Of the same tissue as the training sections: unlike them in single patches at most.
    assert 0 < molf["slide_shift"] < 1
    assert (obs["own_distance"] > 0).all() and len(obs["own_distance"].unique()) > 1
