"""Foundation encoders that transformers builds, against direct calls of the same model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from molf_engine.encoders import Encoder, encode_patches, open_encoder
from molf_engine.slides import Patches, Slide

from .models import IMAGENET, PX, images, normalised, write_transformers


@pytest.mark.parametrize("kind", ["dinov2", "registers", "vit"])
def test_the_feature_is_the_class_token(tmp_path: Path, kind: str) -> None:
    model = write_transformers(tmp_path / kind, kind)
    encoder = open_encoder(tmp_path / kind, device="cpu")
    with torch.no_grad():
        expected = model(normalised(images(), *IMAGENET)).last_hidden_state[:, 0]
    np.testing.assert_allclose(encoder.encode(images()), expected, atol=1e-5)
    assert (encoder.width, encoder.field_px, encoder.field_um) == (24, PX, PX * 0.5)
    assert isinstance(encoder, Encoder)


@pytest.mark.parametrize(("kind", "prefix"), [("dinov2", 1), ("registers", 5)])
def test_the_mean_of_patch_tokens_leaves_registers_out(tmp_path: Path, kind: str, prefix: int) -> None:
    more = {"num_register_tokens": 4} if kind == "registers" else {}
    model = write_transformers(tmp_path / kind, kind, **more)
    (tmp_path / kind / "molf.json").write_text(json.dumps({"output": "cls+mean"}), encoding="utf-8")
    encoder = open_encoder(tmp_path / kind, device="cpu")
    with torch.no_grad():
        tokens = model(normalised(images(), *IMAGENET)).last_hidden_state
    assert tokens.shape[1] == prefix + 4
    expected = torch.cat([tokens[:, 0], tokens[:, -4:].mean(1)], dim=1)
    np.testing.assert_allclose(encoder.encode(images()), expected, atol=1e-5)
    assert encoder.width == 48


def test_pooled_is_what_the_model_itself_returns(tmp_path: Path) -> None:
    model = write_transformers(tmp_path / "vit", "vit")
    (tmp_path / "vit" / "molf.json").write_text(json.dumps({"output": "pooled"}), encoding="utf-8")
    with torch.no_grad():
        expected = model(normalised(images(), *IMAGENET)).pooler_output
    np.testing.assert_allclose(open_encoder(tmp_path / "vit", device="cpu").encode(images()), expected, atol=1e-5)


def test_a_feature_does_not_depend_on_its_batch(tmp_path: Path) -> None:
    write_transformers(tmp_path / "model")
    encoder = open_encoder(tmp_path / "model", device="cpu")
    pixels = images(70)
    whole = encoder.encode(pixels)
    np.testing.assert_allclose(np.concatenate([encoder.encode(pixels[i : i + 1]) for i in range(70)]), whole, atol=1e-5)
    assert encoder.encode(pixels[:0]).shape == (0, 24)


def test_images_of_another_side_are_resized(tmp_path: Path) -> None:
    """Areas of one colour keep it: a picture of two halves, four times as large, becomes the small one but at the edge."""
    write_transformers(tmp_path / "model")
    encoder = open_encoder(tmp_path / "model", device="cpu")
    flat = np.full((1, 4 * PX, 4 * PX, 3), (200, 90, 160), np.uint8)
    np.testing.assert_allclose(encoder.encode(flat), encoder.encode(flat[:, :PX, :PX]), atol=1e-4)


def test_scale_and_colours_of_the_folder_are_used(tmp_path: Path) -> None:
    model = write_transformers(tmp_path / "model")
    own = {"um_per_pixel": 0.25, "mean": [0.7, 0.6, 0.7], "sd": [0.2, 0.3, 0.1], "px": 42}
    (tmp_path / "model" / "molf.json").write_text(json.dumps(own), encoding="utf-8")
    encoder = open_encoder(tmp_path / "model", device="cpu")
    pixels = images(side=42)
    with torch.no_grad():
        expected = model(normalised(pixels, (0.7, 0.6, 0.7), (0.2, 0.3, 0.1))).last_hidden_state[:, 0]
    np.testing.assert_allclose(encoder.encode(pixels), expected, atol=1e-5)
    assert encoder.field_um == pytest.approx(10.5)


def test_bfloat16_is_close_and_has_a_name_of_its_own(tmp_path: Path) -> None:
    write_transformers(tmp_path / "model")
    exact = open_encoder(tmp_path / "model", device="cpu")
    rough = open_encoder(tmp_path / "model", device="cpu", precision="bfloat16")
    a, b = exact.encode(images()), rough.encode(images())
    assert 0 < np.abs(a - b).max() < 0.1 * np.abs(a).max()
    assert b.dtype == np.float32
    assert rough.name.startswith("model-bfloat16:") and exact.name.startswith("model:")


def test_the_name_changes_with_weights_and_with_their_use(tmp_path: Path) -> None:
    write_transformers(tmp_path / "a" / "model")
    write_transformers(tmp_path / "b" / "model")
    write_transformers(tmp_path / "c" / "model", num_hidden_layers=1)
    (tmp_path / "d" / "model").mkdir(parents=True)
    for file in (tmp_path / "a" / "model").iterdir():
        (tmp_path / "d" / "model" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "d" / "model" / "molf.json").write_text('{"um_per_pixel": 1}', encoding="utf-8")
    a, b, c, d = (open_encoder(tmp_path / letter / "model", device="cpu").name for letter in "abcd")
    assert a == b
    assert len({a, c, d}) == 3


def test_a_slide_is_encoded_as_its_images_are(tmp_path: Path, slide: Slide, patches: Patches) -> None:
    from molf_engine.slides import read_patch

    write_transformers(tmp_path / "model")
    (tmp_path / "model" / "molf.json").write_text('{"um_per_pixel": 2}', encoding="utf-8")
    encoder = open_encoder(tmp_path / "model", device="cpu")
    few = patches.subset(slice(20))
    pixels = np.stack([read_patch(slide, centre, encoder.field_um, encoder.field_px) for centre in few.centres])
    np.testing.assert_allclose(encode_patches(slide, few, encoder), encoder.encode(pixels), atol=1e-5)
