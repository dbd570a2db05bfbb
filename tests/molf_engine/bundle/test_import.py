"""Released weights made into a bundle: what comes out, and what is refused."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from safetensors.torch import save_file

from molf_engine.bundle import Bundle
from molf_engine.bundle.importing import Facts, import_released
from molf_engine.bundle.released import Unwritten
from molf_engine.errors import BundleError, ConfigError, DataError, MolfError
from molf_engine.genes import hallmark_sets
from molf_engine.prediction import Guided, predict_slide, read_prediction, write_prediction
from molf_engine.slides import open_slide, patches_at

from ..nn.plain import PlainModel, Sizes, random_inputs, random_model

SIZES = Sizes(features=24, genes=11, codes=3)
UNWRITTEN = Unwritten(SIZES.active, SIZES.context_heads, SIZES.vae_heads, SIZES.expert_heads, SIZES.cancer_heads)
GENES = hallmark_sets()["HYPOXIA"][: SIZES.genes]
Change = Callable[[dict[str, Any]], None]


def save_checkpoint(path: Path, model: PlainModel, change: Change | None = None) -> Path:
    """In the wrapper of a released checkpoint."""
    state = dict(model.state_dict())
    if change is not None:
        change(state)
    torch.save({"epoch": 7, "model_state": state, "optimizer_state": {}, "best_val_loss": 0.5}, path)
    return path


@pytest.fixture(scope="module")
def model() -> PlainModel:
    return random_model(SIZES)


@pytest.fixture
def checkpoint(model: PlainModel, tmp_path: Path) -> Path:
    return save_checkpoint(tmp_path / "best_model.pth", model)


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    (tmp_path / "genes.txt").write_text("\n".join(GENES))
    (tmp_path / "codes.txt").write_text("COAD\nUnknown\nIDC\n")
    return Facts(tmp_path / "genes.txt", tmp_path / "codes.txt", "uni2-h")


@pytest.fixture
def bundle(checkpoint: Path, facts: Facts, tmp_path: Path) -> Bundle:
    return import_released(checkpoint, tmp_path / "mine", facts, unwritten=UNWRITTEN)


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """600 x 600 px at 0.5 um per pixel."""
    path = tmp_path / "slide.tif"
    pixels = np.random.default_rng(0).integers(100, 220, (600, 600, 3), dtype=np.uint8)
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(128, 128), resolution=(20_000, 20_000), resolutionunit=3)
    return path


def refused(path: Path, facts: Facts, **options: Any) -> str:
    """The sentence with which an import is refused; nothing may be left behind."""
    output = path.parent / "refused"
    with pytest.raises((BundleError, ConfigError, DataError)) as caught:
        import_released(path, output, facts, **{"unwritten": UNWRITTEN, **options})
    assert not list(path.parent.glob("*refused*"))
    return str(caught.value)


def test_the_bundle_computes_what_the_checkpoint_does(bundle: Bundle, model: PlainModel) -> None:
    given = random_inputs(SIZES, 20)
    code = int(given.onehot.argmax())
    field = bundle.velocity()
    with torch.no_grad():
        context = field.context(given.features[0], torch.zeros(20, 2), code)
        theirs, _ = model.velocity(given.z0, 0.3, given.features, given.onehot)
        torch.testing.assert_close(field(given.z0[0], 0.3, context).value, theirs[0], rtol=1e-5, atol=1e-5)
        decoded = model.gene_autoencoder.decoder(given.z0)[0].numpy()
        mean = model.gene_autoencoder.encode(given.expression, given.mask)[0][0]
        torch.testing.assert_close(
            bundle.vae().encode(given.expression[0], given.mask[0], torch.zeros(20, 2))[0], mean, rtol=1e-5, atol=1e-5
        )
    np.testing.assert_allclose(bundle.decoder().expression(given.z0[0].numpy()), decoded, rtol=1e-5, atol=1e-5)


def test_it_names_genes_codes_and_encoder(bundle: Bundle) -> None:
    config = bundle.config
    assert tuple(bundle.genes.index) == GENES
    assert config.codes == ("COAD", "Unknown", "IDC")
    assert bundle.code_index("Unknown") == 1
    assert (bundle.name, config.encoder, config.features, config.units) == ("mine", "uni2-h", 24, "log1p")


def test_what_is_not_known_is_not_made_up(bundle: Bundle) -> None:
    assert bundle.imported
    assert bundle.rivals() == {}
    assert bundle.reference() is None
    assert bundle.metrics == {}
    assert bundle.genes["heldout_pcc"].isna().all()
    assert not bundle.has_statistics
    assert (bundle.path / "genes.tsv").read_text().splitlines()[1] == f"{GENES[0]}\tTrue" + "\t" * 5
    assert "accuracy not known" in bundle.card_line
    assert "PCC" not in bundle.card_line
    card = (bundle.path / "README.md").read_text()
    for words in ("not known", "uni2-h", "--features", "Research use only", "another order", "mean predicted value"):
        assert words in card


def test_statistics_make_hallmark_scores_comparable(checkpoint: Path, facts: Facts, tmp_path: Path) -> None:
    rows = [f"{gene}\t{number}\t{number + 0.5}" for number, gene in enumerate(GENES)]
    table = tmp_path / "statistics.tsv"
    table.write_text("\n".join(["symbol\tmean_log1p\tsd_log1p", *reversed(rows)]))
    known = import_released(checkpoint, tmp_path / "known", replace(facts, statistics=table), unwritten=UNWRITTEN)
    assert known.has_statistics
    assert known.genes["mean"].tolist() == list(range(SIZES.genes))
    assert known.genes["sd"].tolist() == [number + 0.5 for number in range(SIZES.genes)]
    assert "given on import" in (known.path / "README.md").read_text()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("symbol\tmean_log1p\nA\t1\n", "without the column sd_log1p"),
        ("symbol\tmean_log1p\tsd_log1p\nA\t1\t1\n", "lacks 11 of the 11 genes"),
        ("symbol\tmean_log1p\tsd_log1p\n" + "".join(f"{gene}\t1\t-1\n" for gene in GENES), "sd_log1p of"),
        ("symbol\tmean_log1p\tsd_log1p\n" + "A\t1\t1\nA\t1\t1\n", "names A more than once"),
    ],
)
def test_statistics_that_do_not_fit_are_refused(
    checkpoint: Path, facts: Facts, tmp_path: Path, table: str, words: str
) -> None:
    (tmp_path / "statistics.tsv").write_text(table)
    assert words in refused(checkpoint, replace(facts, statistics=tmp_path / "statistics.tsv"))


def test_it_predicts_from_features_made_elsewhere(bundle: Bundle, slide: Path, tmp_path: Path) -> None:
    features = np.random.default_rng(1).normal(size=(3, SIZES.features)).astype(np.float32)
    with open_slide(slide) as opened:
        patches = patches_at(opened, np.array([[150.0, 150.0], [300.0, 150.0], [300.0, 300.0]]), 112.0)
        adata = predict_slide(opened, bundle, patches=patches, features=features, code="IDC", guidance=2.0)
    assert adata.uns["molf"]["encoder"] == "uni2-h"
    assert not adata.uns["molf"]["hallmark_standardised"]
    assert "unfamiliar" not in adata.obs
    assert adata.obs["total"].isna().all()
    np.testing.assert_allclose(
        adata.obsm["hallmark"]["HYPOXIA"], adata.X.clip(-5, 5).mean(axis=1), rtol=1e-5, atol=1e-6
    )

    write_prediction(adata, tmp_path / "out.h5ad")
    guided = Guided(read_prediction(tmp_path / "out.h5ad"), bundle)
    np.testing.assert_allclose(guided.gene(GENES[0], 2.0), adata.X[:, 0], atol=1e-5)
    np.testing.assert_allclose(guided.hallmark("HYPOXIA", 2.0), adata.obsm["hallmark"]["HYPOXIA"], atol=1e-5)
    # Relative to a total that nobody knows, nothing is known.
    assert np.isnan(guided.gene(GENES[0], 2.0, relative=True)).all()
    assert np.isnan(guided.hallmark("HYPOXIA", 2.0, relative=True)).all()


def test_from_pixels_it_says_which_encoder_is_needed(bundle: Bundle, slide: Path) -> None:
    with open_slide(slide) as opened, pytest.raises(BundleError, match=r"uni2-h \(24 for each patch.* --features"):
        predict_slide(opened, bundle)


def test_features_of_another_width_are_refused(bundle: Bundle, slide: Path) -> None:
    with open_slide(slide) as opened, pytest.raises(DataError, match="encoder uni2-h"):
        patches = patches_at(opened, np.array([[150.0, 150.0]]), 112.0)
        predict_slide(opened, bundle, patches=patches, features=np.zeros((1, 23), np.float32))


def test_without_experts_every_patch_has_the_same_one(facts: Facts, tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "mixer.pth", random_model(replace(SIZES, mixer=True)))
    bundle = import_released(path, tmp_path / "mixer", facts, unwritten=UNWRITTEN)
    assert bundle.config.flow.velocity == "attention"
    assert bundle.config.expert_names == ("E1",)
    assert "assumption" in (bundle.path / "README.md").read_text()


def test_a_vae_alone_can_replace_the_one_inside(checkpoint: Path, facts: Facts, tmp_path: Path) -> None:
    other = random_model(SIZES, seed=9)
    torch.save({"model_state": other.gene_autoencoder.state_dict()}, tmp_path / "best_autoencoder.pth")
    bundle = import_released(
        checkpoint, tmp_path / "out", facts, unwritten=UNWRITTEN, vae=tmp_path / "best_autoencoder.pth"
    )
    latent = torch.randn(4, SIZES.latent)
    with torch.no_grad():
        theirs = other.gene_autoencoder.decoder(latent)
    np.testing.assert_allclose(bundle.decoder().expression(latent.numpy()), theirs.numpy(), rtol=1e-5, atol=1e-5)


def test_a_vae_alone_is_no_bundle(model: PlainModel, facts: Facts, tmp_path: Path) -> None:
    path = tmp_path / "best_autoencoder.pth"
    torch.save({"model_state": model.gene_autoencoder.state_dict()}, path)
    message = refused(path, facts)
    assert "gene VAE alone" in message
    assert "--vae" in message


def test_a_vae_of_another_latent_width_is_refused(checkpoint: Path, facts: Facts, tmp_path: Path) -> None:
    other = random_model(replace(SIZES, latent=5))
    torch.save({"model_state": other.gene_autoencoder.state_dict()}, tmp_path / "vae.pth")
    message = refused(checkpoint, facts, vae=tmp_path / "vae.pth")
    assert "width 5" in message
    assert "for 6" in message


def test_a_whole_model_in_place_of_a_vae_is_refused(checkpoint: Path, facts: Facts) -> None:
    assert "whole model" in refused(checkpoint, facts, vae=checkpoint)


def test_an_existing_bundle_stays_unless_told_otherwise(
    checkpoint: Path, facts: Facts, bundle: Bundle, model: PlainModel
) -> None:
    with pytest.raises(MolfError, match="--overwrite"):
        import_released(checkpoint, bundle.path, facts, unwritten=UNWRITTEN)
    assert Bundle.load(bundle.path).weights_hash == bundle.weights_hash
    save_checkpoint(checkpoint, random_model(SIZES, seed=2))
    again = import_released(checkpoint, bundle.path, facts, unwritten=UNWRITTEN, overwrite=True)
    assert again.weights_hash != bundle.weights_hash


class Evil:
    """An object whose unpickling would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 5, "torch"])
def test_code_in_a_checkpoint_never_runs(facts: Facts, tmp_path: Path, protocol: int | str) -> None:
    trap, path = tmp_path / "trap", tmp_path / "evil.pth"
    content = {"model_state": {"weight": Evil(trap)}}
    if isinstance(protocol, int):
        path.write_bytes(pickle.dumps(content, protocol))
    else:
        torch.save(content, path)
    message = refused(path, facts)
    assert "cannot be read as a checkpoint" in message
    assert "weights_only" not in message
    assert "could run a program" in message or isinstance(protocol, int)
    assert not trap.exists()
    # The trap works: it is the reader that does not spring it.
    pickle.loads(pickle.dumps(Evil(trap)))
    assert trap.exists()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def as_safetensors(path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (Path.unlink, "No such file"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (truncate, "cut short"),
        (lambda path: path.write_text("no checkpoint at all"), "cannot be read as a checkpoint"),
        (lambda path: path.write_bytes(bytes(range(256)) * 40), "cannot be read as a checkpoint"),
        (as_safetensors, "safetensors file"),
        (lambda path: torch.save({"epoch": 3, "weights": {}}, path), "no `model_state`.* epoch, weights"),
        (lambda path: torch.save(torch.zeros(3), path), "no `model_state`.*Tensor"),
        (lambda path: torch.save({"model_state": {}}, path), "no table of tensors"),
        (lambda path: torch.save({"model_state": {"a": 3}}, path), "more than tensors: a"),
    ],
)
def test_files_that_are_no_checkpoint_are_refused(
    checkpoint: Path, facts: Facts, spoil: Callable[[Path], Any], words: str
) -> None:
    spoil(checkpoint)
    message = refused(checkpoint, facts)
    assert str(checkpoint) in message
    assert re.search(words, message), message


def drop(name: str) -> Change:
    return lambda state: state.pop(name)


def put(name: str, value: torch.Tensor) -> Change:
    return lambda state: state.update({name: value})


def spoil_value(name: str, value: float) -> Change:
    def change(state: dict[str, Any]) -> None:
        state[name] = state[name].clone()
        state[name].view(-1)[0] = value

    return change


def drop_spatial(state: dict[str, Any]) -> None:
    for name in [name for name in state if name.startswith("spatial_")]:
        del state[name]


def replace_all(state: dict[str, Any]) -> None:
    state.clear()
    state["conv1.weight"] = torch.zeros(2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop("conditioner.norm.bias"), "missing: conditioner.norm.bias"),
        (drop("gene_autoencoder.latent_head.weight"), "in its gene VAE: .*missing: latent_head.weight"),
        (drop("velocity_predictor.experts.1.input_proj.bias"), "missing: velocity_predictor.experts.1.input_proj.bias"),
        (drop("spatial_pos_encoder.pe"), "missing: spatial_pos_encoder.pe"),
        (put("surplus.weight", torch.zeros(2)), "not known: surplus.weight"),
        (put("gene_autoencoder.surplus", torch.zeros(2)), "not known: surplus"),
        (replace_all, "not known: conv1.weight"),
        (drop_spatial, "no patch sees another"),
        (put("spatial_transformer.layers.1.norm1.bias", torch.zeros(2)), "spatial_transformer has 2 layers"),
        (put("gene_autoencoder.transformer_encoder.layers.2.x", torch.zeros(2)), "transformer_encoder has 3 layers"),
        (put("conditioner.norm.bias", torch.zeros(7)), "conditioner.norm.bias has the shape 7.*24 was expected"),
        (put("gene_autoencoder.decoder.3.bias", torch.zeros(31)), "decoder.3.bias has the shape 31.*32 was expected"),
        (put("onco_embedder.weight", torch.zeros(7)), "onco_embedder.weight has the shape 7"),
        (put("velocity_predictor.gating.linear.bias", torch.zeros(3)), "gating.linear.bias has the shape 3"),
        (put("conditioner.norm.bias", torch.zeros(24, dtype=torch.int64)), "int64 tensor, not a plain"),
        (spoil_value("gene_autoencoder.decoder.6.weight", float("nan")), "decoder.6.weight holds .* not finite"),
        (spoil_value("conditioner.attention.in_proj_weight", float("inf")), "in_proj_weight holds .* not finite"),
        (spoil_value("spatial_pos_encoder.pe", 0.5), "another table of positions"),
    ],
)
def test_tensors_that_are_not_the_released_network_are_named(
    model: PlainModel, facts: Facts, tmp_path: Path, change: Change, words: str
) -> None:
    path = save_checkpoint(tmp_path / "other.pth", model, change)
    message = refused(path, facts)
    assert str(path) in message
    assert re.search(words, message), message


@pytest.mark.parametrize(
    ("unwritten", "words"),
    [
        (replace(UNWRITTEN, context_heads=7), "--context-heads 7 cannot be: the context is 24 wide"),
        (replace(UNWRITTEN, vae_heads=0), "--vae-heads 0"),
        (replace(UNWRITTEN, expert_heads=5), "--expert-heads 5"),
        (replace(UNWRITTEN, cancer_heads=-2), "--cancer-heads -2"),
        (replace(UNWRITTEN, active=5), "--top-k 5 cannot be: the checkpoint has 4 experts"),
        (replace(UNWRITTEN, active=0), "--top-k 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(checkpoint: Path, facts: Facts, unwritten: Unwritten, words: str) -> None:
    assert words in refused(checkpoint, facts, unwritten=unwritten)


@pytest.mark.parametrize(
    ("file", "lines", "words"),
    [
        ("genes.txt", GENES[:-1], "lists 10 genes, but the weights are for 11"),
        ("genes.txt", (*GENES, "EPCAM"), "lists 12 genes, but the weights are for 11"),
        ("genes.txt", (*GENES[:-1], GENES[0]), "more than once"),
        ("codes.txt", ("COAD", "Unknown"), "lists 2 cancer codes, but the weights are for 3"),
        ("codes.txt", ("COAD", "Unknown", "COAD"), "COAD more than once"),
        ("codes.txt", ("COAD", "IDC", "GBM"), "has no code 'Unknown'"),
        ("codes.txt", (), "is empty"),
    ],
)
def test_lists_that_do_not_fit_the_weights_are_refused(
    checkpoint: Path, facts: Facts, tmp_path: Path, file: str, lines: tuple[str, ...], words: str
) -> None:
    (tmp_path / file).write_text("\n".join(lines))
    assert words in refused(checkpoint, facts)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoder": " "}, "--encoder"),
        ({"patch_um": 0.0}, "above 0 um"),
        ({"codes": Path("nowhere.txt")}, "nowhere.txt"),
        ({"genes": "nowhere.txt"}, "nowhere.txt"),
    ],
)
def test_facts_that_cannot_be_are_refused(checkpoint: Path, facts: Facts, changes: dict[str, Any], words: str) -> None:
    assert words in refused(checkpoint, replace(facts, **changes))
