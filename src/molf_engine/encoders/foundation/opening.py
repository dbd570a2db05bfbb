"""Open a foundation encoder by its name or its folder, or find again the one that a trained model needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from molf_engine.encoders.foundation.encoder import PRECISIONS, FoundationEncoder, Precision, choose_device
from molf_engine.encoders.foundation.folder import CONFIG, describe_folder
from molf_engine.encoders.foundation.places import VARIABLE, known_by_folder, locate, named_folder
from molf_engine.encoders.foundation.table import KNOWN, FoundationSpec
from molf_engine.encoders.foundation.weights import has_weights
from molf_engine.errors import BundleError, ConfigError, MolfError


def open_encoder(
    name_or_folder: str | Path,
    *,
    accepted: bool = False,
    device: str = "auto",
    precision: Precision = "float32",
) -> FoundationEncoder:
    """Open a foundation encoder.

    Parameters
    ----------
    name_or_folder
        Name from :data:`~molf_engine.encoders.foundation.KNOWN`, such as ``uni2-h``, or a folder with ``config.json`` and
        weights (see :mod:`~molf_engine.encoders.foundation.folder`), which may lie in ``MOLF_ENCODER_DIR``.
    accepted
        Whether the user has accepted the licence, so that weights that are not here may be downloaded.
    device
        `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
    precision
        `float32`, or `bfloat16` or `float16` for its matrix products: faster on a GPU, and other features.

    Raises
    ------
    ConfigError
        If the name is unknown, or ``builtin``, which is fitted to slides and never opened; or the device is not there.
    MolfError
        If the weights are not here: the message says licence, access, size and how to go on.  If a library is missing.
    BundleError
        If the weights are damaged or those of another model.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"The precision {precision!r} is unknown. Known: {', '.join(PRECISIONS)}.")
    spec, folder = _find(name_or_folder, accepted)
    return FoundationEncoder(spec, folder, choose_device(device), precision).load()


def _find(name_or_folder: str | Path, accepted: bool) -> tuple[FoundationSpec, Path]:
    name = str(name_or_folder)
    if name == "builtin":
        raise ConfigError(
            "The built-in encoder is not opened but fitted to the training slides (molf_engine.encoders.fit_builtin);"
            " a trained model holds it."
        )
    if spec := KNOWN.get(name.lower()):
        return spec, locate(spec, accepted=accepted)
    folder = named_folder(name) or Path(name_or_folder).expanduser()
    if not folder.is_dir():
        raise ConfigError(
            f"The encoder {name!r} is unknown and no folder. Known: builtin, {', '.join(KNOWN)}; or give a folder with"
            f" {CONFIG} and weights."
        )
    folder = folder.resolve()
    if known := known_by_folder(folder):
        raise ConfigError(
            f"{folder} is named after {known.id}, and its own files do not say all about that. Name the encoder {known.id}, and"
            f" set {VARIABLE}={folder.parent}; or rename the folder, if it is another model."
        )
    return describe_folder(folder), folder


def find_again(folder: Path, settings: dict[str, Any]) -> FoundationEncoder:
    """Encoder that :meth:`FoundationEncoder.save` named, its weights found on this machine.

    The weights are read, and checked against the name, when they are first needed: a slide whose features are in the cache
    needs none.

    Parameters
    ----------
    folder
        Where ``encoder.json`` is.
    settings
        Its content.

    Raises
    ------
    BundleError
        If the weights are not on this machine, or ``encoder.json`` is damaged.
    """
    identity, precision = str(settings["name"]), settings["precision"]
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r}")
    try:
        spec, weights = _find_stored(settings)
    except MolfError as error:
        raise BundleError(f"{folder.parent}: this model encodes patches with {identity}. {error}") from error
    if (spec.width, spec.px, spec.field_um) != (settings["width"], settings["field_px"], settings["field_um"]):
        raise BundleError(
            f"{weights} gives {spec.width} features of {spec.field_um:g} um; {identity} gives {settings['width']} of"
            f" {settings['field_um']} um. It is another model, or another {CONFIG}."
        )
    return FoundationEncoder(spec, weights, choose_device(), precision, expected=identity)


def _find_stored(settings: dict[str, Any]) -> tuple[FoundationSpec, Path]:
    name, place = str(settings["id"]), settings["folder"]
    if settings["hub"]:
        spec = KNOWN[name]
        return spec, locate(spec)
    folder = named_folder(name) or (Path(place) if place and has_weights(Path(place)) else None)
    if folder is None:
        raise MolfError(
            f"Its files are not on this machine: put its folder, {name}, into the folder that {VARIABLE} names."
        )
    return describe_folder(folder), folder
