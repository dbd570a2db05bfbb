"""A prediction holds what its contract says, on disk as in memory."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from molf_engine.bundle import Bundle
from molf_engine.bundle.expert_names import save_names
from molf_engine.errors import MolfError, PredictionError
from molf_engine.genes import hallmark_sets
from molf_engine.prediction import Guided, read_prediction, validate, write_prediction
from molf_engine.prediction.contract import PROVENANCE, routing_entropy
from molf_engine.slides import fingerprint, open_slide


def test_rows_are_patches_and_columns_are_the_panel(predicted: ad.AnnData, tiny_bundle: Bundle) -> None:
    assert predicted.X.dtype == np.float32
    assert predicted.shape == (len(predicted.obs), 1386)
    assert list(predicted.var_names) == list(tiny_bundle.genes.index)
    assert predicted.obs_names.is_unique
    first = predicted.obs.iloc[0]
    assert predicted.obs_names[0] == f"{first['col']}_{first['row']}"
    assert np.isfinite(predicted.X).all()
    assert (predicted.X >= 0).all()


def test_provenance_is_whole(predicted: ad.AnnData, tiny_bundle: Bundle, slide_path: Path) -> None:
    molf = predicted.uns["molf"]
    assert set(PROVENANCE) <= set(molf)
    assert molf["weights_hash"] == tiny_bundle.weights_hash
    assert molf["units"] == "log1p-cp10k"
    assert molf["guidance"] == 2.0
    assert molf["cancer_code"] == "SIM_A"
    assert "predicted, not measured" in molf["notice"]
    with open_slide(slide_path) as slide:
        assert molf["slide"]["fingerprint"] == fingerprint(slide)


def test_positions_are_patch_centres_in_level_0_pixels(predicted: ad.AnnData) -> None:
    grid, stride = predicted.uns["molf"]["grid"], predicted.uns["molf"]["grid"]["stride"]
    centres = np.asarray(grid["origin"]) + predicted.obs[["col", "row"]].to_numpy() * stride
    np.testing.assert_allclose(predicted.obsm["spatial"], centres)
    # The first patch covers [0, size): its centre is half a patch from the corner, in x as in y.
    np.testing.assert_allclose(grid["origin"], predicted.uns["molf"]["patch_px"] / 2)


def test_routing_follows_from_the_gate_logits(predicted: ad.AnnData) -> None:
    logits, routing = predicted.obsm["gate_logits"], predicted.obsm["routing"]
    kept = np.argsort(-logits, axis=1)[:, :2]
    expected = np.zeros_like(logits)
    np.put_along_axis(expected, kept, softmax(np.take_along_axis(logits, kept, axis=1), axis=1), axis=1)
    np.testing.assert_allclose(routing, expected, atol=1e-6)
    names = np.array(predicted.uns["molf"]["expert_names"])
    assert (names[routing.argmax(1)] == predicted.obs["expert"]).all()
    assert list(predicted.obs["expert"].cat.categories) == ["E1", "E2", "E3", "E4", "E5", "E6"]


def test_routing_entropy_is_1_when_undecided_and_0_when_sure() -> None:
    entropy = routing_entropy(np.array([[0.0, 0, 0], [99.0, 0, 0]]))
    np.testing.assert_allclose(entropy, [1, 0], atol=1e-6)
    assert (routing_entropy(np.zeros((2, 1))) == 0).all()


def test_hallmark_scores_standardise_with_the_training_spots(predicted: ad.AnnData, tiny_bundle: Bundle) -> None:
    genes = tiny_bundle.genes
    members = [
        g
        for g in hallmark_sets()["HYPOXIA"]
        if g in genes.index and genes.loc[g, "measured"] and genes.loc[g, "sd"] > 0
    ]
    values = predicted[:, members].X
    z = np.clip((values - genes.loc[members, "mean"].to_numpy()) / genes.loc[members, "sd"].to_numpy(), -5, 5)
    np.testing.assert_allclose(predicted.obsm["hallmark"]["HYPOXIA"], z.mean(1), atol=1e-4)
    assert predicted.obsm["hallmark"].shape[1] == 50


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_any_guidance_follows_from_a_saved_prediction(
    predicted: ad.AnnData, tiny_bundle: Bundle, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"result{suffix}"
    write_prediction(predicted, path)
    back = read_prediction(path)
    np.testing.assert_array_equal(back.X, predicted.X)
    pd.testing.assert_frame_equal(back.obs, predicted.obs, check_names=False)
    pd.testing.assert_frame_equal(back.obsm["hallmark"], predicted.obsm["hallmark"], check_names=False)
    guided = Guided(back, tiny_bundle)
    np.testing.assert_allclose(guided.expression(2.0), predicted.X, atol=1e-5)
    np.testing.assert_allclose(guided.total(2.0), predicted.obs["total"], rtol=1e-5)
    np.testing.assert_allclose(guided.hallmark("HYPOXIA", 2.0), predicted.obsm["hallmark"]["HYPOXIA"], atol=1e-4)
    values, hallmarks = guided.all_scores(2.0)
    np.testing.assert_allclose(values, predicted.X, atol=1e-5)
    np.testing.assert_allclose(hallmarks, predicted.obsm["hallmark"], atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == [path.name]


def test_guidance_is_what_prediction_at_that_scale_gives(
    predicted: ad.AnnData, tiny_bundle: Bundle, slide_path: Path
) -> None:
    from molf_engine.prediction import predict_slide

    with open_slide(slide_path) as slide:
        other = predict_slide(slide, tiny_bundle, code="SIM_A", guidance=3.5)
    guided = Guided(predicted, tiny_bundle)
    np.testing.assert_allclose(guided.expression(3.5), other.X, atol=1e-5)
    gene = "EPCAM" if "EPCAM" in predicted.var_names else predicted.var_names[0]
    np.testing.assert_allclose(guided.gene(gene, 3.5), other[:, gene].X[:, 0], atol=1e-5)


def test_expression_is_composition_times_depth(predicted: ad.AnnData, tiny_bundle: Bundle) -> None:
    guided = Guided(predicted, tiny_bundle)
    gene = predicted.var_names[predicted.var["measured"].to_numpy().argmax()]
    share = np.expm1(guided.gene(gene, 2.0, relative=True)) / 1e4
    counts = np.expm1(guided.gene(gene, 2.0, relative=False))
    np.testing.assert_allclose(counts, share * predicted.obs["total"].to_numpy(), rtol=1e-3, atol=1e-5)


def test_guidance_without_the_model_says_which_one_is_missing(predicted: ad.AnnData, tiny_bundle: Bundle) -> None:
    with pytest.raises(PredictionError, match=tiny_bundle.id):
        Guided(predicted)


def test_unknown_versions_are_refused_and_unknown_keys_kept(predicted: ad.AnnData, tmp_path: Path) -> None:
    adata = predicted.copy()
    adata.uns["molf"]["note_of_another_program"] = "hello"
    write_prediction(adata, tmp_path / "a.h5ad")
    assert read_prediction(tmp_path / "a.h5ad").uns["molf"]["note_of_another_program"] == "hello"
    for version in (2, "x"):
        adata.uns["molf"]["schema_version"] = version
        with pytest.raises(PredictionError, match=f"version {version}"):
            validate(adata)


def test_names_that_the_user_gave_to_experts_go_along_beside_the_models_own(
    predicted: ad.AnnData, tmp_path: Path
) -> None:
    adata = predicted.copy()
    own = list(adata.uns["molf"]["expert_names"])
    write_prediction(adata, tmp_path / "before.h5ad")
    assert "expert_labels" not in read_prediction(tmp_path / "before.h5ad").uns["molf"]
    save_names(adata.uns["molf"]["weights_hash"], {0: "lymphoid aggregate"}, len(own))
    write_prediction(adata, tmp_path / "after.h5ad")
    back = read_prediction(tmp_path / "after.h5ad")
    assert list(back.uns["molf"]["expert_labels"]) == ["lymphoid aggregate", *own[1:]]
    assert list(back.obs["expert"].cat.categories) == own


@pytest.mark.parametrize("key", ["gate_logits", "latent_cond", "hallmark"])
def test_what_is_missing_is_named(predicted: ad.AnnData, key: str) -> None:
    adata = predicted.copy()
    del adata.obsm[key]
    with pytest.raises(PredictionError, match=key):
        validate(adata)


def test_an_existing_file_is_not_replaced_unasked(predicted: ad.AnnData, tmp_path: Path) -> None:
    path = tmp_path / "a.h5ad"
    write_prediction(predicted, path)
    with pytest.raises(MolfError, match="--overwrite"):
        write_prediction(predicted, path)
    write_prediction(predicted, path, overwrite=True)


@pytest.mark.parametrize("content", [b"", b"not HDF5 at all"])
def test_a_file_that_is_no_prediction_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.h5ad"
    path.write_bytes(content)
    with pytest.raises(PredictionError, match="cannot be read"):
        read_prediction(path)


def test_an_anndata_of_somebody_else_is_refused(tmp_path: Path) -> None:
    ad.AnnData(np.ones((2, 2), dtype=np.float32)).write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(PredictionError, match="not a prediction"):
        read_prediction(tmp_path / "a.h5ad")


@pytest.mark.interop
def test_squidpy_and_scanpy_find_the_picture_without_arguments(predicted: ad.AnnData) -> None:
    library = next(iter(predicted.uns["spatial"]))
    entry = predicted.uns["spatial"][library]
    assert max(entry["images"]["hires"].shape[:2]) <= 1024
    width = entry["images"]["hires"].shape[1] / entry["scalefactors"]["tissue_hires_scalef"]
    assert width == pytest.approx(predicted.uns["molf"]["slide"]["width"])
    squidpy = pytest.importorskip("squidpy", reason="squidpy is not installed")
    import matplotlib

    matplotlib.use("agg")
    squidpy.pl.spatial_scatter(predicted, color=predicted.var_names[0])
