"""Foundation encoders that timm builds.  The known ones are tried small: the same arguments, fewer and narrower layers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch

from molf_engine.encoders import open_encoder
from molf_engine.encoders.foundation import KNOWN
from molf_engine.encoders.foundation import opening as opening_module
from molf_engine.errors import BundleError

from .models import PX, images, import_timm, normalised, write_timm

HALF, QUARTER = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
PARAMETERS = {
    "uni": 303.4e6,
    "uni2-h": 681.4e6,
    "h-optimus-0": 1134.8e6,
    "h-optimus-1": 1134.8e6,
    "h0-mini": 85.7e6,
    "virchow2": 631.2e6,
    "prov-gigapath": 1135.0e6,
}
"""As published (the file sizes on the hub, four bytes each, agree)."""


def special_classes() -> dict[str, Any]:
    import_timm()
    from timm.layers import SwiGLUPacked

    return {"mlp_layer": SwiGLUPacked, "act_layer": torch.nn.SiLU}


@pytest.mark.parametrize("pickled", [False, True])
def test_a_folder_of_timm_is_read_in_both_formats(tmp_path: Path, pickled: bool) -> None:
    model = write_timm(tmp_path / "mine", pickled=pickled)
    encoder = open_encoder(tmp_path / "mine", device="cpu")
    with torch.no_grad():
        expected = model(normalised(images(), HALF, QUARTER))
    np.testing.assert_allclose(encoder.encode(images()), expected, atol=1e-5)


def test_the_file_format_does_not_change_the_name(tmp_path: Path) -> None:
    write_timm(tmp_path / "a" / "mine")
    write_timm(tmp_path / "b" / "mine", pickled=True)
    names = {open_encoder(tmp_path / letter / "mine", device="cpu").name for letter in "ab"}
    assert len(names) == 1


def test_an_averaging_model_gives_its_own_average(tmp_path: Path) -> None:
    model = write_timm(tmp_path / "mine", global_pool="avg")
    with torch.no_grad():
        expected = model(normalised(images(), HALF, QUARTER))
    np.testing.assert_allclose(open_encoder(tmp_path / "mine", device="cpu").encode(images()), expected, atol=1e-5)


@pytest.mark.parametrize("name", [name for name, spec in KNOWN.items() if spec.library == "timm"])
def test_a_known_encoder_makes_features_as_its_card_says(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small weights under the real arguments: registers, class token, layers; the folder is found by its name."""
    spec = KNOWN[name]
    classes = special_classes() if spec.packed_swiglu else {}
    small = {"embed_dim": 24, "depth": 2, "num_heads": 2, "img_size": 112}
    arguments = {**spec.arguments, **small}
    model = write_timm(tmp_path / name, spec.architecture, classes=classes, pickled=True, **arguments)
    (tmp_path / name / "config.json").unlink()
    twice = 2 if spec.output == "cls+mean" else 1
    reduced = replace(spec, arguments=MappingProxyType(arguments), px=112, width=24 * twice)
    monkeypatch.setattr(opening_module, "KNOWN", {name: reduced})
    monkeypatch.setenv("MOLF_ENCODER_DIR", str(tmp_path))

    encoder = open_encoder(name, device="cpu")
    pixels = images(3, side=112)
    with torch.no_grad():
        whole = model(normalised(pixels, spec.mean, spec.sd))
    if spec.output == "cls+mean":
        patches = (112 // model.patch_embed.patch_size[0]) ** 2
        assert whole.shape[1] == spec.prefix_tokens + patches
        whole = torch.cat([whole[:, 0], whole[:, -patches:].mean(1)], dim=1)
    np.testing.assert_allclose(encoder.encode(pixels), whole, atol=1e-4)
    assert encoder.name.startswith(f"{name}:")
    assert encoder.field_um == pytest.approx(56.0)


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_the_full_size_has_the_published_number_of_parameters(name: str) -> None:
    timm = import_timm()
    spec = KNOWN[name]
    classes = special_classes() if spec.packed_swiglu else {}
    with torch.device("meta"):
        model = timm.create_model(spec.architecture, pretrained=False, **spec.arguments, **classes)
    count = sum(weight.numel() for weight in model.parameters())
    assert count == pytest.approx(PARAMETERS[name], rel=1e-3)
    assert 4 * count / 1e9 == pytest.approx(spec.gigabytes, rel=0.05)
    assert model.num_prefix_tokens == spec.prefix_tokens
    assert model.num_features * (2 if spec.output == "cls+mean" else 1) == spec.width


def test_weights_of_another_width_are_refused(tmp_path: Path) -> None:
    write_timm(tmp_path / "mine")
    wide = write_timm(tmp_path / "wide", embed_dim=48)
    from safetensors.torch import save_file

    save_file(wide.state_dict(), tmp_path / "mine" / "model.safetensors")
    with pytest.raises(BundleError, match=r"these are not the weights of mine .*size mismatch"):
        open_encoder(tmp_path / "mine", device="cpu")


def test_images_that_the_network_cannot_take_are_refused_when_it_is_opened(tmp_path: Path) -> None:
    write_timm(tmp_path / "mine", dynamic_img_size=False)
    (tmp_path / "mine" / "molf.json").write_text(f'{{"px": {2 * PX}}}', encoding="utf-8")
    with pytest.raises(BundleError, match=f"cannot encode {2 * PX} px images"):
        open_encoder(tmp_path / "mine", device="cpu")
