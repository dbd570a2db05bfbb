"""The built-in encoder: fitted, stored, read back; on real tissue."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from molf_engine.encoders import BuiltinEncoder, Encoder, encode_patches, fit_builtin, load_encoder, save_encoder
from molf_engine.encoders.builtin import fit_projection
from molf_engine.errors import BundleError, DataError
from molf_engine.slides import Patches, Slide, open_slide, patch_grid, read_patch


@pytest.fixture(scope="module")
def encoder(slide_path: Path) -> BuiltinEncoder:
    from .toy import open_toy

    with open_toy(slide_path) as slide:
        return fit_builtin([(slide, patch_grid(slide, 128.0, min_tissue=0))])


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    from .toy import tissue_image

    # Real images have grain; without it, equal maxima at the rim of a square are counted or not by their side.
    grain = np.random.default_rng(0).integers(-3, 4, (512, 512, 3))
    picture = (tissue_image(512, seed=3) + grain).clip(0, 255).astype(np.uint8)
    return np.stack([picture[y : y + 128, x : x + 128] for y in (40, 170, 300) for x in (40, 170, 300, 384)])


def test_it_is_an_encoder(encoder: BuiltinEncoder) -> None:
    assert isinstance(encoder, Encoder)
    assert (encoder.width, encoder.field_um, encoder.field_px) == (47, 448.0, 128)
    assert encoder.name.startswith("builtin-texture-v1:")


def test_a_feature_does_not_depend_on_its_batch(encoder: BuiltinEncoder, images: np.ndarray) -> None:
    together = encoder.encode(images)
    assert together.dtype == np.float32
    alone = np.concatenate([encoder.encode(image[None]) for image in images])
    np.testing.assert_allclose(alone, together, atol=1e-6)


def test_threads_change_nothing(encoder: BuiltinEncoder, images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    many = encoder.encode(images)
    monkeypatch.setattr("molf_engine.encoders.builtin.usable_cores", lambda: 1)
    np.testing.assert_allclose(encoder.encode(images), many, atol=1e-6)


def test_rotated_tissue_has_the_same_features(encoder: BuiltinEncoder, images: np.ndarray) -> None:
    turned = encoder.encode(np.rot90(images, axes=(1, 2)))
    np.testing.assert_allclose(turned, encoder.encode(images), atol=1e-2)


def test_fitting_again_gives_the_same_encoder(slide: Slide, encoder: BuiltinEncoder) -> None:
    assert fit_builtin([(slide, patch_grid(slide, 128.0, min_tissue=0))]).name == encoder.name


def test_other_training_patches_give_another_name(slide: Slide, encoder: BuiltinEncoder) -> None:
    assert fit_builtin([(slide, patch_grid(slide, 112.0, min_tissue=0))]).name != encoder.name


def test_too_few_patches_to_fit_are_refused(slide: Slide) -> None:
    few = patch_grid(slide, 128.0, min_tissue=0).subset(slice(5))
    with pytest.raises(DataError, match="5 can be read"):
        fit_builtin([(slide, few)])


def test_features_have_unit_variance_over_the_training_patches() -> None:
    random = np.random.default_rng(0)
    mixed = random.normal(3, 2, (500, 12)) @ random.normal(size=(12, 12))
    features = fit_projection(mixed.astype(np.float32), core=4, fine=5)(mixed)
    assert features.shape == (500, 9)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(features.std(axis=0), 1, atol=1e-3)
    np.testing.assert_allclose(np.corrcoef(features[:, 4:].T), np.eye(5), atol=1e-3)


def test_a_folder_gives_the_encoder_back(encoder: BuiltinEncoder, images: np.ndarray, tmp_path: Path) -> None:
    save_encoder(encoder, tmp_path / "encoder")
    read = load_encoder(tmp_path / "encoder")
    assert read.name == encoder.name
    np.testing.assert_array_equal(read.encode(images), BuiltinEncoder(encoder.projection).encode(images))
    assert sum(file.stat().st_size for file in (tmp_path / "encoder").iterdir()) < 1_000_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "resnet"}, "unknown kind of encoder 'resnet'"),
        ({"version": 99}, "version 99"),
        ({"sha256": "0" * 64}, "damaged"),
        ({"field_um": "wide"}, "damaged"),
    ],
)
def test_a_folder_of_another_kind_is_refused_by_name(
    encoder: BuiltinEncoder, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    save_encoder(encoder, tmp_path / "encoder")
    path = tmp_path / "encoder" / "encoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError, match=message):
        load_encoder(tmp_path / "encoder")


@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_damaged_weights_are_refused(encoder: BuiltinEncoder, tmp_path: Path, damage: str) -> None:
    save_encoder(encoder, tmp_path / "encoder")
    path = tmp_path / "encoder" / "encoder.safetensors"
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[:-100])
    elif damage == "flip":
        content[-50] ^= 8
        path.write_bytes(content)
    else:
        path.unlink()
    with pytest.raises(BundleError, match=r"encoder\.safetensors"):
        load_encoder(tmp_path / "encoder")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no encoder"):
        load_encoder(tmp_path / "nothing")


def test_a_slide_sets_the_level_and_keeps_the_name(encoder: BuiltinEncoder, slide: Slide) -> None:
    here = encoder.for_slide(slide)
    assert here.name == encoder.name
    np.testing.assert_allclose(here.level.white, (245, 242, 244), atol=2)


def test_real_tissue_is_encoded_whatever_the_um_per_pixel(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "her2st" / "wsis"
    with open_slide(folder / "HER2ST_C2.tif") as fine, open_slide(folder / "HER2ST_A1.tif") as coarse:
        some = [patch_grid(slide, 112.0).subset(slice(0, 400, 10)) for slide in (fine, coarse)]
        encoder = fit_builtin(list(zip((fine, coarse), some, strict=True)))
        for slide, patches in zip((fine, coarse), some, strict=True):
            features = encode_patches(slide, patches, encoder)
            assert np.isfinite(features).all()
            assert np.abs(features).max() < 30
            assert features.std(axis=0).min() > 0
            rotated_and_straight(encoder, slide, patches)


def rotated_and_straight(encoder: BuiltinEncoder, slide: Slide, patches: Patches) -> None:
    here = encoder.for_slide(slide)
    image = read_patch(slide, patches.centres[0], encoder.field_um, encoder.field_px)
    np.testing.assert_allclose(here.encode(np.rot90(image)[None]), here.encode(image[None]), atol=2e-2)
