"""Tensors of a model folder, and a hash of them.  Nothing in a file is executed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from molf_engine.errors import BundleError

if TYPE_CHECKING:
    import torch

SAFE, INDEX, PICKLED = "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"
NAMES = (SAFE, INDEX, PICKLED)


def has_weights(folder: Path) -> bool:
    """Whether a folder holds weights under a name that is known."""
    return any((folder / name).is_file() for name in NAMES)


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Tensors of a model folder by name, on the CPU.

    Reads ``model.safetensors``, whole or in parts, or else ``pytorch_model.bin``, of which nothing but tensors is taken.

    Raises
    ------
    BundleError
        If there is no such file, or it is damaged or incomplete.
    """
    if (folder / SAFE).is_file():
        return _read_safetensors(folder / SAFE)
    if (folder / INDEX).is_file():
        parts = [_read_safetensors(path) for path in _parts(folder / INDEX)]
        return {name: tensor for part in parts for name, tensor in part.items()}
    if (folder / PICKLED).is_file():
        return _read_pickled(folder / PICKLED)
    raise BundleError(f"{folder} holds no weights: expected {SAFE} or {PICKLED}.")


def digest_of(weights: dict[str, torch.Tensor]) -> str:
    """SHA-256 (hex) of the tensors, the same whichever file format they came in."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError, KeyError) as error:
        raise _damaged(path, error) from error


def _parts(index: Path) -> list[Path]:
    try:
        names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return [index.parent / Path(name).name for name in sorted(set(names))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(index, error) from error


def _read_pickled(path: Path) -> dict[str, torch.Tensor]:
    import pickle

    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        raise _damaged(path, error) from error
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise BundleError(f"{path} should hold tensors by name and nothing else. Get the model's own file again.")
    return {str(name): value for name, value in content.items()}


def _damaged(path: Path, error: Exception) -> BundleError:
    reason = (str(error) or type(error).__name__).partition("\n")[0]
    return BundleError(f"{path} is damaged, incomplete or more than plain tensors ({reason}). Get the file again.")
