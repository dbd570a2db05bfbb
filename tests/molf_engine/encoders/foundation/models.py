"""Tiny random models of the classes that foundation encoders have, written to disk as their makers write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PX = 28
SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "image_size": PX,
    "patch_size": 14,
}


def images(count: int = 5, side: int = PX, seed: int = 0) -> np.ndarray:
    """``(count, side, side, 3)`` uint8."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def shaken(network: torch.nn.Module) -> torch.nn.Module:
    """The same network with every weight random: those that are made as 0 or 1 would hide a mistake."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))
    return network.eval()


def write_transformers(folder: Path, kind: str = "dinov2", *, px: int = PX, **more: Any) -> Any:
    """Write a model as ``save_pretrained`` does, with its preprocessor, and return it."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    names = {
        "dinov2": ("Dinov2Config", "Dinov2Model"),
        "registers": ("Dinov2WithRegistersConfig", "Dinov2WithRegistersModel"),
        "vit": ("ViTConfig", "ViTModel"),
    }
    config, model = (getattr(transformers, name) for name in names[kind])
    network = shaken(model(config(**{**SIZES, **more})))
    network.save_pretrained(folder)
    settings = {"image_mean": IMAGENET[0], "image_std": IMAGENET[1], "crop_size": {"height": px, "width": px}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return network


def write_timm(
    folder: Path,
    architecture: str = "vit_tiny_patch16_224",
    *,
    pickled: bool = False,
    classes: dict[str, Any] | None = None,
    **arguments: Any,
) -> Any:
    """Write a model as timm pushes it to the hub, and return it.  ``classes``: arguments that no JSON can hold."""
    timm = import_timm()
    made = {"img_size": PX, "embed_dim": 24, "depth": 2, "num_heads": 2, "num_classes": 0, **arguments}
    network = shaken(timm.create_model(architecture, pretrained=False, **made, **(classes or {})))
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architecture": architecture,
        "num_features": 24,
        "model_args": made,
        "pretrained_cfg": {"input_size": [3, PX, PX], "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if pickled:
        torch.save(network.state_dict(), folder / "pytorch_model.bin")
    else:
        from safetensors.torch import save_file

        save_file(network.state_dict(), folder / "model.safetensors")
    return network


def import_timm() -> Any:
    """The library, or skip and say why: it needs a torchvision that was built for the torch at hand."""
    try:
        import timm
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"timm cannot be imported: {str(error).partition(chr(10))[0]}")
    return timm


def normalised(pixels: np.ndarray, mean: tuple[float, ...], sd: tuple[float, ...]) -> torch.Tensor:
    """``(B, 3, n, n)`` float32, computed in float64 with NumPy."""
    values = (pixels / 255.0 - np.array(mean)) / np.array(sd)
    return torch.from_numpy(values.transpose(0, 3, 1, 2).astype(np.float32))
