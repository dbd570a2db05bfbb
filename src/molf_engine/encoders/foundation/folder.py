"""Describe a model folder of the user's own from the files in it.

Two layouts: transformers (``config.json`` with ``model_type``, as ``save_pretrained`` writes it) and timm
(``config.json`` with ``architecture``, as on the hub).  What those files leave open may be said in ``molf.json`` beside
them: ``output``, ``um_per_pixel``, ``px``, ``mean``, ``sd``, ``licence``.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from molf_engine.encoders.foundation.table import Colour, FoundationSpec, Output
from molf_engine.errors import BundleError, ConfigError

CONFIG, OWN = "config.json", "molf.json"
_PREPROCESSOR = "preprocessor_config.json"
_OUTPUTS: tuple[Output, ...] = ("cls", "cls+mean", "pooled")
_TIMM_OUTPUTS: dict[str, Output] = {"token": "cls", "": "cls"}


def describe_folder(folder: Path) -> FoundationSpec:
    """What the model in a folder is shown and gives back.

    Its id is the folder's name.  Without ``molf.json`` the scale is 0.5 um per pixel and the output is the class token, or
    for timm what ``global_pool`` says.

    Raises
    ------
    BundleError
        If the folder holds no model, or its description is damaged.
    ConfigError
        If ``molf.json`` says something unknown or impossible.
    """
    folder = folder.resolve()
    config = _read(folder / CONFIG)
    try:
        if "architecture" in config:
            spec = _from_timm(folder.name, config)
        elif "model_type" in config:
            spec = _from_transformers(folder.name, config, _read(folder / _PREPROCESSOR, optional=True))
        else:
            raise BundleError(
                f"{folder / CONFIG} describes no model: it has neither `model_type` (transformers) nor `architecture` (timm)."
            )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{folder / CONFIG} describes no image model that is known ({error!r}).") from error
    return _with_own(folder / OWN, spec)


def _from_timm(name: str, config: dict[str, Any]) -> FoundationSpec:
    pretrained = config.get("pretrained_cfg", {})
    arguments = {**config.get("model_args", {})}
    for key in ("init_values", "img_size", "patch_size", "dynamic_img_size"):
        if key in config:
            arguments.setdefault(key, config[key])
    pool = arguments.get("global_pool", config.get("global_pool", "token"))
    arguments = {**arguments, "global_pool": pool, "num_classes": 0}
    mean, sd = _colour(pretrained.get("mean")), _colour(pretrained.get("std"))
    spec = FoundationSpec(
        id=name,
        hub="",
        library="timm",
        width=int(config["num_features"]),
        px=int(pretrained.get("input_size", (3, arguments.get("img_size", 224)))[-1]),
        output=_TIMM_OUTPUTS.get(pool, "pooled"),
        prefix_tokens=1 + int(arguments.get("reg_tokens", 0)),
        architecture=str(config["architecture"]),
        arguments=MappingProxyType(arguments),
        licence=str(pretrained.get("license", "as its files say")),
    )
    return replace(spec, mean=mean or spec.mean, sd=sd or spec.sd)


def _from_transformers(name: str, config: dict[str, Any], images: dict[str, Any]) -> FoundationSpec:
    mean, sd = _colour(images.get("image_mean")), _colour(images.get("image_std"))
    # DINOv2 is trained last on images larger than those it is used on; any size will do.
    side = 224 if str(config["model_type"]).startswith("dinov2") else int(config.get("image_size", 224))
    spec = FoundationSpec(
        id=name,
        hub="",
        library="transformers",
        width=int(config["hidden_size"]),
        px=_side(images) or side,
        prefix_tokens=1 + int(config.get("num_register_tokens", 0)),
    )
    return replace(spec, mean=mean or spec.mean, sd=sd or spec.sd)


def _side(images: dict[str, Any]) -> int | None:
    """Side of the image that the network is shown, in px: the crop where there is one."""
    for key in ("crop_size", "size"):
        size = images.get(key)
        if isinstance(size, dict):
            size = size.get("height", size.get("shortest_edge"))
        if size and (key == "size" or images.get("do_center_crop", True)):
            return int(size)
    return None


def _with_own(path: Path, spec: FoundationSpec) -> FoundationSpec:
    own = _read(path, optional=True)
    unknown = set(own) - {"output", "um_per_pixel", "px", "mean", "sd", "licence"}
    if unknown:
        raise ConfigError(f"{path}: unknown setting {', '.join(sorted(unknown))}.")
    try:
        if "mean" in own or "sd" in own:
            own = {**own, "mean": _colour(own["mean"]), "sd": _colour(own["sd"])}
        if "px" in own:
            own = {**own, "px": int(own["px"])}
        if "um_per_pixel" in own:
            own = {**own, "um_per_pixel": float(own["um_per_pixel"])}
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path}: mean and sd are three numbers each, px and um_per_pixel one ({error!r})."
        ) from error
    spec = replace(spec, **own)
    if spec.output not in _OUTPUTS:
        raise ConfigError(f"{path}: output is one of {', '.join(_OUTPUTS)}; not {spec.output!r}.")
    if spec.px < 1 or not 0 < spec.um_per_pixel < 100:
        raise ConfigError(f"{path}: {spec.px} px at {spec.um_per_pixel:g} um per pixel is no image of tissue.")
    return replace(spec, width=2 * spec.width) if spec.output == "cls+mean" else spec


def _colour(values: Any) -> Colour | None:
    if values is None:
        return None
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _read(path: Path, *, optional: bool = False) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if optional:
            return {}
        raise BundleError(f"{path.parent} holds no model: there is no {path.name}.") from error
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} is damaged: it is not valid JSON ({error}).") from error
    if not isinstance(content, dict):
        raise BundleError(f"{path} is damaged: it holds no settings.")
    return content
