"""A bundle on disk: what it holds, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from molf_engine.bundle import Bundle, find_bundle_by_hash, known_bundles, user_data_folder
from molf_engine.errors import BundleError


@pytest.fixture
def copy(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle.path, tmp_path / "copy"))


def test_it_holds_everything_that_the_contract_names(tiny_bundle: Bundle) -> None:
    names = {path.name for path in tiny_bundle.path.iterdir()}
    assert {
        "config.json",
        "model.safetensors",
        "genes.tsv",
        "rivals.safetensors",
        "reference.safetensors",
        "metrics.json",
        "encoder",
        "README.md",
        "curves.csv",
        "curves.png",
    } <= names


def test_opening_one_needs_no_torch(tiny_bundle: Bundle) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from molf_engine.bundle import Bundle; b = Bundle.load(sys.argv[1]); b.card_line; b.genes; b.decoder();"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tiny_bundle.path)], check=True)


def test_the_numpy_decoder_is_the_torch_decoder(tiny_bundle: Bundle) -> None:
    latent = np.random.default_rng(0).normal(size=(20, tiny_bundle.config.vae.latent)).astype(np.float32)
    decoder = tiny_bundle.decoder()
    with torch.no_grad():
        theirs = tiny_bundle.vae().decode(torch.from_numpy(latent)).numpy()
    measured = tiny_bundle.genes["measured"].to_numpy()
    ours = decoder.expression(latent)
    np.testing.assert_allclose(ours[:, measured], theirs[:, :-1].clip(0)[:, measured], atol=1e-5)
    assert (ours[:, ~measured] == 0).all()
    np.testing.assert_allclose(np.log1p(decoder.total(decoder.hidden(latent))), theirs[:, -1].clip(0), atol=1e-4)


def test_some_columns_equal_those_of_the_whole_panel(tiny_bundle: Bundle) -> None:
    latent = np.random.default_rng(1).normal(size=(7, tiny_bundle.config.vae.latent)).astype(np.float32)
    decoder = tiny_bundle.decoder()
    hidden = decoder.hidden(latent)
    np.testing.assert_allclose(
        decoder.columns(hidden, [5, 900, 33]), decoder.expression(latent)[:, [5, 900, 33]], atol=1e-5
    )


def test_it_is_found_by_its_weights(tiny_bundle: Bundle) -> None:
    assert find_bundle_by_hash(tiny_bundle.weights_hash) is None
    shutil.copytree(tiny_bundle.path, user_data_folder() / "bundles" / "mine")
    assert "mine" in known_bundles()
    found = find_bundle_by_hash(tiny_bundle.weights_hash)
    assert found is not None
    assert found.id == tiny_bundle.id


def test_the_card_line_says_what_was_seen_and_how_good_it_is(tiny_bundle: Bundle) -> None:
    line = tiny_bundle.card_line
    summary = tiny_bundle.metrics["summary"]
    assert "simulated tissue" in line
    assert "3 patients" in line
    assert f"held-out PCC {summary['molf']:.2f} (ridge {summary['ridge']:.2f})" in line


def test_the_card_states_data_split_protocol_and_rivals(tiny_bundle: Bundle) -> None:
    card = (tiny_bundle.path / "README.md").read_text(encoding="utf-8")
    for word in (
        "SIM_A_3",
        "SIM_A_4",
        "ridge",
        "mlp",
        "depth",
        "log1p-cp10k",
        "Pearson correlation per gene",
        "simulated",
    ):
        assert word in card


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "genes.tsv", "metrics.json"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleError, match=name):
        Bundle.load(copy)


def test_a_folder_that_does_not_exist_names_the_known_bundles(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="Known by name"):
        Bundle.load(tmp_path / "nowhere")


def test_truncated_weights_are_refused(copy: Path) -> None:
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(BundleError, match="damaged"):
        Bundle.load(copy)


def test_genes_of_another_model_are_refused(copy: Path) -> None:
    lines = (copy / "genes.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    (copy / "genes.tsv").write_text("".join(lines[:-3]), encoding="utf-8")
    with pytest.raises(BundleError, match="1383 genes, but the weights are for 1386"):
        Bundle.load(copy)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("codes", ["Unknown"], "cancer codes"),
        ("schema_version", 99, "version 99"),
        ("features", "many", "damaged"),
    ],
)
def test_settings_that_do_not_fit_are_refused(copy: Path, key: str, value: object, words: str) -> None:
    file = copy / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    with pytest.raises(BundleError, match=words):
        Bundle.load(copy)


def test_another_encoder_is_refused(copy: Path) -> None:
    file = copy / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "encoder": "uni2-h"}))
    with pytest.raises(BundleError, match="trained with the encoder uni2-h"):
        Bundle.load(copy).encoder()


def test_an_unknown_cancer_code_names_the_known_ones(tiny_bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="It knows: SIM_A, Unknown"):
        tiny_bundle.code_index("COAD")
