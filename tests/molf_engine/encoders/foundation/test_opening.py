"""Finding weights on this machine, what is said where there are none, damaged folders, and bundles that name an encoder."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from molf_engine.encoders import load_encoder, open_encoder, save_encoder
from molf_engine.encoders.foundation import KNOWN, folder_on_this_machine
from molf_engine.errors import BundleError, ConfigError, MolfError

from .models import PX, images, write_transformers


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without weights, from which no hub can be reached."""
    for variable in ("MOLF_ENCODER_DIR", "MOLF_ACCEPT_LICENCE", "HF_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hugging-face"))


@pytest.mark.parametrize("name", list(KNOWN))
def test_weights_that_are_not_here_are_not_fetched_but_explained(name: str) -> None:
    spec = KNOWN[name]
    with pytest.raises(MolfError) as caught:
        open_encoder(name)
    said = str(caught.value)
    for part in (
        spec.licence,
        spec.page,
        f"MOLF_ACCEPT_LICENCE={name}",
        "--accept-licence",
        "MOLF_ENCODER_DIR",
        f"{spec.gigabytes:g} GB",
    ):
        assert part in said
    assert ("Access is gated" in said) == spec.gated


def test_the_built_in_encoder_is_not_opened() -> None:
    with pytest.raises(ConfigError, match="fitted to the training slides"):
        open_encoder("builtin")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'uni3' is unknown.*builtin, uni, uni2-h"):
        open_encoder("uni3")


def test_an_unknown_precision_or_device_is_refused(tmp_path: Path) -> None:
    write_transformers(tmp_path / "model")
    with pytest.raises(ConfigError, match="float32, bfloat16, float16"):
        open_encoder(tmp_path / "model", precision="int8")  # type: ignore[arg-type]
    for device in ("tpu", "cuda:99", "cuda:x"):
        with pytest.raises(ConfigError, match="not on this machine"):
            open_encoder(tmp_path / "model", device=device)


def test_the_hugging_face_cache_is_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "hugging-face" / "hub" / "models--owkin--phikon-v2"
    snapshot = repository / "snapshots" / "0123abc"
    write_transformers(snapshot)
    assert folder_on_this_machine(KNOWN["phikon-v2"]) is None
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abc", encoding="utf-8")
    assert folder_on_this_machine(KNOWN["phikon-v2"]) == snapshot
    with pytest.raises(BundleError, match="gives 24 features a patch, where phikon-v2 has 1024"):
        open_encoder("phikon-v2", device="cpu")


def test_a_folder_of_the_user_comes_before_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_transformers(tmp_path / "mine" / "phikon-v2")
    monkeypatch.setenv("MOLF_ENCODER_DIR", str(tmp_path / "mine"))
    assert folder_on_this_machine(KNOWN["phikon-v2"]) == tmp_path / "mine" / "phikon-v2"


@pytest.mark.parametrize("folder", ["phikon-v2", "midnight"])
def test_a_known_encoder_is_opened_by_its_name_not_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    write_transformers(tmp_path / folder)
    with pytest.raises(ConfigError, match=f"MOLF_ENCODER_DIR={tmp_path}"):
        open_encoder(tmp_path / folder)
    monkeypatch.setenv("MOLF_ENCODER_DIR", str(tmp_path))
    name = "midnight-12k" if folder == "midnight" else folder
    assert folder_on_this_machine(KNOWN[name]) == tmp_path / folder


def cut_short(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def without_a_tensor(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["embeddings.cls_token"]
    save_file(weights, folder / "model.safetensors")


def with_code_in_it(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"weight": torch.zeros(1), "run": Path("x")}, folder / "pytorch_model.bin")


def with_nan(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights["embeddings.cls_token"][:] = float("nan")
    save_file(weights, folder / "model.safetensors")


def narrow(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 48}), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut_short, r"model\.safetensors is damaged"),
        (without_a_tensor, "1 tensors are missing, such as embeddings.cls_token"),
        (with_code_in_it, r"pytorch_model\.bin is damaged, incomplete or more than plain tensors"),
        (narrow, "these are not the weights of model"),
        (lambda folder: (folder / "model.safetensors").unlink(), "holds no weights"),
        (lambda folder: (folder / "config.json").unlink(), r"there is no config\.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "not valid JSON"),
        (lambda folder: (folder / "config.json").write_text("[1]"), "holds no settings"),
        (lambda folder: (folder / "config.json").write_text("{}"), "neither `model_type`"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "bert"}'), "no image model"),
        (
            lambda folder: (folder / "config.json").write_text('{"model_type": "x", "hidden_size": 3}'),
            "not the weights",
        ),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path: Path, damage: object, said: str) -> None:
    write_transformers(tmp_path / "model")
    damage(tmp_path / "model")  # type: ignore[operator]
    with pytest.raises(BundleError, match=said):
        open_encoder(tmp_path / "model", device="cpu")


def test_features_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    write_transformers(tmp_path / "model")
    with_nan(tmp_path / "model")
    encoder = open_encoder(tmp_path / "model", device="cpu")
    with pytest.raises(MolfError, match="not finite at precision float32"):
        encoder.encode(images())


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ('{"scale": 1}', "unknown setting scale"),
        ('{"output": "mean"}', "output is one of"),
        ('{"um_per_pixel": 0}', "no image of tissue"),
        ('{"mean": [1, 2]}', "three numbers each"),
        ('{"px": "many"}', "px and um_per_pixel one"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(tmp_path: Path, own: str, said: str) -> None:
    write_transformers(tmp_path / "model")
    (tmp_path / "model" / "molf.json").write_text(own, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        open_encoder(tmp_path / "model", device="cpu")


def test_weights_in_parts_are_read_as_one(tmp_path: Path) -> None:
    model = write_transformers(tmp_path / "whole" / "model")
    write_transformers(tmp_path / "parts" / "model")
    (tmp_path / "parts" / "model" / "model.safetensors").unlink()
    model.save_pretrained(tmp_path / "parts" / "model", max_shard_size="8KB")
    assert len(list((tmp_path / "parts" / "model").glob("model-*.safetensors"))) > 1
    whole, parts = (open_encoder(tmp_path / how / "model", device="cpu") for how in ("whole", "parts"))
    assert whole.name == parts.name
    next((tmp_path / "parts" / "model").glob("model-*.safetensors")).unlink()
    with pytest.raises(BundleError, match="is damaged"):
        open_encoder(tmp_path / "parts" / "model", device="cpu")


@pytest.mark.parametrize("library", ["transformers", "timm"])
def test_a_missing_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    write_transformers(tmp_path / "model")
    if library == "timm":
        config = {"architecture": "vit_tiny_patch16_224", "num_features": 192}
        (tmp_path / "model" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MolfError, match=rf"built with {library}.*napari-molf\[foundation\]"):
        open_encoder(tmp_path / "model", device="cpu")


class TestStored:
    """An encoder in a bundle: named, never copied, found again."""

    def test_it_is_named_without_its_weights(self, tmp_path: Path) -> None:
        write_transformers(tmp_path / "model")
        encoder = open_encoder(tmp_path / "model", device="cpu")
        save_encoder(encoder, tmp_path / "bundle" / "encoder")
        assert [file.name for file in (tmp_path / "bundle" / "encoder").iterdir()] == ["encoder.json"]

    def test_it_is_found_again_and_gives_the_same_features(self, tmp_path: Path) -> None:
        write_transformers(tmp_path / "model")
        encoder = open_encoder(tmp_path / "model", device="cpu", precision="bfloat16")
        save_encoder(encoder, tmp_path / "encoder")
        again = load_encoder(tmp_path / "encoder")
        assert (again.name, again.width, again.field_px) == (encoder.name, 24, PX)
        np.testing.assert_allclose(again.encode(images()), encoder.encode(images()), atol=1e-2)

    def test_it_is_found_where_the_folder_was_moved_to(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_transformers(tmp_path / "model")
        encoder = open_encoder(tmp_path / "model", device="cpu")
        save_encoder(encoder, tmp_path / "encoder")
        shutil.move(tmp_path / "model", tmp_path / "elsewhere" / "model")
        with pytest.raises(BundleError, match=r"encodes patches with model:.*not on this machine.*MOLF_ENCODER_DIR"):
            load_encoder(tmp_path / "encoder")
        monkeypatch.setenv("MOLF_ENCODER_DIR", str(tmp_path / "elsewhere"))
        np.testing.assert_allclose(
            load_encoder(tmp_path / "encoder").encode(images()), encoder.encode(images()), atol=1e-5
        )

    def test_other_weights_under_its_name_are_refused(self, tmp_path: Path) -> None:
        write_transformers(tmp_path / "model")
        save_encoder(open_encoder(tmp_path / "model", device="cpu"), tmp_path / "encoder")
        shutil.rmtree(tmp_path / "model")
        write_transformers(tmp_path / "model", num_hidden_layers=1)
        with pytest.raises(BundleError, match=r"holds model:\w+, but model:\w+ is needed"):
            load_encoder(tmp_path / "encoder").encode(images())

    def test_a_known_one_that_is_not_here_is_explained(self, tmp_path: Path) -> None:
        settings = {
            "kind": "foundation",
            "name": "uni2-h:0123456789ab",
            "id": "uni2-h",
            "hub": "MahmoodLab/UNI2-h",
            "folder": None,
            "precision": "float32",
            "width": 1536,
            "field_um": 112.0,
            "field_px": 224,
        }
        (tmp_path / "encoder.json").write_text(json.dumps(settings), encoding="utf-8")
        with pytest.raises(BundleError, match=r"with uni2-h:0123456789ab.*CC BY-NC-ND.*MOLF_ACCEPT_LICENCE=uni2-h"):
            load_encoder(tmp_path)

    @pytest.mark.parametrize(("key", "value"), [("precision", "int4"), ("width", 5), ("hub", "a/b")])
    def test_a_damaged_record_is_refused(self, tmp_path: Path, key: str, value: object) -> None:
        write_transformers(tmp_path / "model")
        save_encoder(open_encoder(tmp_path / "model", device="cpu"), tmp_path / "encoder")
        path = tmp_path / "encoder" / "encoder.json"
        settings = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**settings, key: value}), encoding="utf-8")
        with pytest.raises(BundleError):
            load_encoder(tmp_path / "encoder")


def test_nothing_heavy_is_imported_to_know_the_table() -> None:
    import subprocess

    code = "import sys; import molf_engine.encoders; print([m for m in ('torch', 'timm', 'transformers') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"
    assert importlib.util.find_spec("torch") is not None
