"""Training from sections to a bundle."""

from __future__ import annotations

import csv
from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest
from PIL import Image

from molf_engine.bundle import Bundle
from molf_engine.bundle.bundle import read_tensors
from molf_engine.config import read_settings, validate
from molf_engine.data.sections import Section, open_section
from molf_engine.errors import Cancelled, ConfigError, MissingScaleError, MolfError
from molf_engine.progress import Progress
from molf_engine.training.loop import rate_factor
from molf_engine.training.run import train

from ..conftest import tiny_settings, train_tiny


def weights(bundle: Bundle) -> dict[str, np.ndarray]:
    return read_tensors(bundle.path / "model.safetensors")


def test_the_same_command_gives_the_same_weights_and_numbers(tiny_bundle: Bundle, corpus: Path, tmp_path: Path) -> None:
    again = train_tiny(tiny_settings(corpus), tmp_path / "again")
    assert again.weights_hash == tiny_bundle.weights_hash
    assert again.metrics == tiny_bundle.metrics


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(tiny_bundle: Bundle, corpus: Path, tmp_path: Path) -> None:
    """Stopped in each stage; with the seed keyed by epoch and slide nothing else may differ, to the last bit."""
    for phase in ("Training gene VAE", "Training flow"):

        def stop(progress: Progress, phase: str = phase) -> None:
            if progress.phase == phase and progress.done == 11:
                raise Cancelled

        with pytest.raises(Cancelled):
            train_tiny(tiny_settings(corpus), tmp_path / "b", progress=stop)
        assert not (tmp_path / "b").exists()
    done = train_tiny(tiny_settings(corpus), tmp_path / "b")
    assert done.weights_hash == tiny_bundle.weights_hash
    assert not (tmp_path / "b.training").exists()


def test_an_interrupted_run_refuses_other_settings(corpus: Path, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.phase == "Training gene VAE":
            raise Cancelled

    with pytest.raises(Cancelled):
        train_tiny(tiny_settings(corpus), tmp_path / "b", progress=stop)
    with pytest.raises(ConfigError, match=r"flow\.experts was 6, is 4"):
        train_tiny(tiny_settings(corpus, flow__experts=4), tmp_path / "b")


def test_learning_lowers_both_losses(tiny_bundle: Bundle) -> None:
    with (tiny_bundle.path / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    for stage in ("vae", "flow"):
        curve = [float(row["validation_loss"]) for row in rows if row["stage"] == stage]
        assert min(curve[1:]) < curve[0]


def test_metrics_hold_every_model_scale_and_gene_set(tiny_bundle: Bundle) -> None:
    rows = tiny_bundle.metrics["test"]
    assert {(row["units"], row["genes"]) for row in rows} == {
        (units, genes) for units in ("log1p", "log1p-cp10k", "truth") for genes in ("panel", "HVG-50")
    }
    for row in rows:
        assert row["section"] == "SIM_A_4"
        assert not row["seen"]
        assert row["spots"] > 50
        assert all(-1 <= row[model] <= 1 for model in ("molf", "ridge", "mlp", "depth"))


def test_the_chosen_guidance_is_one_of_the_scales_offered(tiny_bundle: Bundle) -> None:
    assert tiny_bundle.config.guidance in (1.0, 2.0, 3.0)
    assert tiny_bundle.metrics["guidance"]["chosen"] == tiny_bundle.config.guidance


@pytest.mark.parametrize(
    "changes",
    [
        {"flow__velocity": "dense"},
        {"flow__velocity": "attention"},
        {
            "flow__position": "row-order", "flow__guidance_dropout": "slide-features", "flow__source": "matched",
            "flow__path_noise": 0.001, "flow__vae_dropout": True,
        },
        {"data__units": "log1p", "vae__standardise": False, "flow__per_patch_time": False, "flow__balance": "cv"},
        {"vae__kind": "pca", "flow__guidance_drops_code": True, "data__panel": "hallmark+hvg"},
    ],
    ids=["dense", "attention", "published guidance", "published scale", "principal components"],
)  # fmt: skip
def test_each_named_option_trains(corpus: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    short = {
        "vae": {"epochs": 2}, "flow": {"epochs": 2}, "device": "cpu", "shuffle": False, "validation": "random", "ema": 0,
    }  # fmt: skip
    bundle = train_tiny(tiny_settings(corpus, training=short, **{"data__test": [], **changes}), tmp_path / "b")
    assert np.isfinite([row["molf"] for row in bundle.metrics["validation"]]).all()
    for name, value in bundle.vae().state_dict().items():
        np.testing.assert_array_equal(value.numpy(), bundle.tensors[f"vae.{name}"])


def test_features_made_elsewhere_need_no_pixel(corpus: Path, tmp_path: Path) -> None:
    """The encoder is named, not opened; spots are matched by barcode, in whatever order the file has them."""
    for number, path in enumerate(sorted((corpus / "st").glob("*.h5ad"))):
        barcodes = anndata.read_h5ad(path, backed="r").obs_names.to_numpy(str)[::-1]
        (tmp_path / "features").mkdir(exist_ok=True)
        with h5py.File(tmp_path / "features" / f"{path.stem}.h5", "w") as file:
            values = np.random.default_rng(number).normal(size=(len(barcodes), 1536)).astype(np.float32)
            file["features"], file["barcodes"] = values, barcodes.astype("S")
    short = {"vae": {"epochs": 1}, "flow": {"epochs": 1}, "device": "cpu"}
    settings = tiny_settings(
        corpus, training=short, encoder={"name": "uni2-h"}, data__features=str(tmp_path / "features"), data__test=[]
    )
    bundle = train(settings, tmp_path / "b")
    assert bundle.config.encoder == "uni2-h"
    assert bundle.config.features == 1536


def test_curves_hold_the_experts_use_its_optimum_and_the_ceiling(tiny_bundle: Bundle) -> None:
    with (tiny_bundle.path / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    flow = [row for row in rows if row["stage"] == "flow"]
    for row in flow:
        assert sum(float(row[f"validation_use_E{expert}"]) for expert in range(1, 7)) == pytest.approx(1, abs=1e-4)
        assert float(row["validation_balance_optimum"]) == 2
        assert float(row["train_balance"]) >= 1.5
    assert all(-1 <= float(row["validation_oracle"]) <= 1 for row in rows if row["stage"] == "vae")
    assert (tiny_bundle.path / "curves.png").stat().st_size > 10_000


def test_the_card_states_the_ceiling_and_the_coverage_of_the_spread(tiny_bundle: Bundle) -> None:
    """No prediction through a latent space correlates better than that latent space can hold, in the mean over genes."""
    rows = {row["genes"]: row for row in tiny_bundle.metrics["oracle"]}
    assert set(rows) == {"panel", "HVG-50"}
    assert 0 < rows["HVG-50"]["oracle"] <= 1
    card = (tiny_bundle.path / "README.md").read_text(encoding="utf-8")
    assert "## Oracle ceiling" in card
    covered = tiny_bundle.metrics["coverage"]
    assert {row["role"] for row in covered} == {"validation", "test"}
    assert all(0 <= row["coverage"] <= 1 and row["nominal"] == pytest.approx(0.8) for row in covered)
    assert f"{covered[-1]['coverage']:.3f}" in card
    with (tiny_bundle.path / "oracle.csv").open() as file:
        assert {"panel", "HVG-50", "HYPOXIA"} <= {row["genes"] for row in csv.DictReader(file)}


def test_half_precision_halves_the_file_and_is_what_is_scored(
    tiny_bundle: Bundle, corpus: Path, tmp_path: Path
) -> None:
    half = train_tiny(tiny_settings(corpus, half=True), tmp_path / "half")
    size = (half.path / "model.safetensors").stat().st_size
    assert size < 0.55 * (tiny_bundle.path / "model.safetensors").stat().st_size
    for name, value in weights(half).items():
        np.testing.assert_allclose(value, weights(tiny_bundle)[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data__validation": ["nobody"]}, "nobody"),
        ({"data__validation": []}, "data.validation is empty"),
        (
            {"data__test": ["SIM_A_1"], "data__sections": ["SIM_A_1", "SIM_A_2"]},
            "data.test names sections that training sees",
        ),
        ({"encoder": {"name": "uni9"}}, "encoder 'uni9' is unknown"),
        ({"data__path": None}, "--data"),
    ],
)
def test_settings_that_cannot_work_are_explained(
    corpus: Path, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(MolfError, match=words):
        train(tiny_settings(corpus, **changes), tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_mistake_that_is_put_right_does_not_stand_in_the_way(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="banana"):
        train_tiny(tiny_settings(corpus, training={"device": "banana"}), tmp_path / "b")
    assert not (tmp_path / "b.training").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"flow__active": 8}, "only 6 experts"),
        ({"guidance": {"scales": []}}, "guidance.scales"),
        ({"guidance": {"scales": [-1.0]}}, "guidance.scales"),
        ({"data__min_counts": 0}, "data.min_counts"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(corpus: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        tiny_settings(corpus, **changes)


def test_a_panel_file_lies_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "genes.txt").write_text("EPCAM\n")
    (tmp_path / "run.toml").write_text('[data]\npanel = "genes.txt"\n')
    assert validate(read_settings(tmp_path / "run.toml")).data.panel == str(tmp_path / "genes.txt")


def test_a_section_of_unknown_scale_names_the_field_to_fill(corpus: Path, tmp_path: Path) -> None:
    section = Section("s", tmp_path / "s.png", tmp_path / "s.h5ad")
    Image.new("RGB", (300, 300)).save(section.slide_path)
    with pytest.raises(MissingScaleError, match="pixel_size_um_estimated"):
        open_section(section)


def test_an_existing_bundle_is_not_replaced_unasked(tiny_bundle: Bundle, corpus: Path) -> None:
    with pytest.raises(MolfError, match="--overwrite"):
        train_tiny(tiny_settings(corpus), tiny_bundle.path)


def test_the_learning_rate_rises_then_falls_to_nothing() -> None:
    factors = [rate_factor(step, 100, 0.05) for step in range(100)]
    assert factors[4] == 1.0
    assert factors[:5] == sorted(factors[:5])
    assert factors[5:] == sorted(factors[5:], reverse=True)
    assert 0 < factors[-1] < 0.02
