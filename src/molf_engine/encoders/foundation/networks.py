"""Build a network with the library that knows it, put the weights in, and make a feature of its tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molf_engine.encoders.foundation.places import EXTRA
from molf_engine.encoders.foundation.table import FoundationSpec
from molf_engine.errors import BundleError, MolfError

if TYPE_CHECKING:
    import torch

Weights = dict[str, "torch.Tensor"]
Features = Callable[["torch.Tensor"], "torch.Tensor"]

# The network does without them here: one is for training, the other is computed after the tokens that are used.
_SPARE = ("mask_token", "pooler.")


def build_network(spec: FoundationSpec, weights: Weights, folder: Path) -> tuple[torch.nn.Module, Features]:
    """Network in float32 and evaluation mode, and what makes features ``(B, D)`` of images ``(B, 3, px, px)``.

    Parameters
    ----------
    spec
        What to build.
    weights
        Tensors by name; the call may empty it, so that they are not in memory twice.
    folder
        Where ``config.json`` is, for transformers.

    Raises
    ------
    MolfError
        If the library is missing or cannot be imported.
    BundleError
        If the weights are not those of the network.
    """
    if spec.library == "timm":
        network = _timm_network(spec, weights, folder)
        whole: Any = network
        tokens: Features = whole.forward_features
        pooled: Features = whole
    else:
        network = _transformers_network(spec, weights, folder)

        def tokens(images: torch.Tensor) -> torch.Tensor:
            return network(images).last_hidden_state

        def pooled(images: torch.Tensor) -> torch.Tensor:
            return network(images).pooler_output

    return network.float().eval().requires_grad_(False), _output(spec, tokens, pooled)


def _output(spec: FoundationSpec, tokens: Features, pooled: Features) -> Features:
    import torch

    def class_token(images: torch.Tensor) -> torch.Tensor:
        return tokens(images)[:, 0]

    def class_and_mean(images: torch.Tensor) -> torch.Tensor:
        found = tokens(images)
        return torch.cat([found[:, 0], found[:, spec.prefix_tokens :].mean(dim=1)], dim=-1)

    return {"cls": class_token, "cls+mean": class_and_mean, "pooled": pooled}[spec.output]


def _timm_network(spec: FoundationSpec, weights: Weights, folder: Path) -> torch.nn.Module:
    import torch

    try:
        import timm
        from timm.layers import SwiGLUPacked
    except (ImportError, RuntimeError) as error:
        # A torchvision that was built for another torch fails with a RuntimeError.
        raise MolfError(
            f"{spec.id} is built with timm, which cannot be imported ({_first_line(error)}): {EXTRA}, with the torchvision"
            " that belongs to the installed torch."
        ) from error
    arguments = dict(spec.arguments)
    if spec.packed_swiglu:
        arguments |= {"mlp_layer": SwiGLUPacked, "act_layer": torch.nn.SiLU}
    try:
        with torch.device("meta"):
            network: torch.nn.Module = timm.create_model(spec.architecture, pretrained=False, **arguments)
        if any(name not in weights for name, _ in network.named_buffers()):
            # A buffer that no file holds is computed when the network is made.
            network = timm.create_model(spec.architecture, pretrained=False, **arguments)
        network.load_state_dict(weights, strict=True, assign=True)
    except (RuntimeError, TypeError, ValueError) as error:
        raise _unfit(spec, folder, error) from error
    found = int(getattr(network, "num_prefix_tokens", spec.prefix_tokens))
    if found != spec.prefix_tokens:
        raise _unfit(spec, folder, f"it has {found} prefix tokens, not {spec.prefix_tokens}")
    return network


def _transformers_network(spec: FoundationSpec, weights: Weights, folder: Path) -> torch.nn.Module:
    try:
        from transformers import AutoConfig, AutoModel
    except (ImportError, RuntimeError) as error:
        raise MolfError(
            f"{spec.id} is built with transformers, which cannot be imported ({_first_line(error)}): {EXTRA}"
        ) from error
    import torch

    try:
        with _quiet():
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            with torch.device("meta"):
                kind: Any = type(AutoModel.from_config(config, trust_remote_code=False))
            # Not load_state_dict: files of older versions name their tensors otherwise, which this translates.
            network, report = kind.from_pretrained(None, config=config, state_dict=weights, output_loading_info=True)
    except (OSError, RuntimeError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise _unfit(spec, folder, error) from error
    missing = [name for name in report["missing_keys"] if not any(spare in name for spare in _SPARE)]
    if missing:
        raise _unfit(spec, folder, f"{len(missing)} tensors are missing, such as {min(missing)}")
    built: torch.nn.Module = network
    return built


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from drawing its own progress bar and report; what is wrong is raised."""
    from logging import CRITICAL

    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _unfit(spec: FoundationSpec, folder: Path, reason: Exception | str) -> BundleError:
    return BundleError(
        f"{folder}: these are not the weights of {spec.id} ({_first_line(reason)}). Get the model's own files again."
    )


def _first_line(reason: Exception | str) -> str:
    lines = [line.strip() for line in str(reason).splitlines() if line.strip()]
    return " ".join(lines[:2])[:300] or type(reason).__name__
