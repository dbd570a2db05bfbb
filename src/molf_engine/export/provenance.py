"""Where exported values come from: carried by every file, so that nobody takes them for a measurement."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from molf_engine.prediction.contract import NOTICE

if TYPE_CHECKING:
    from molf_engine.export.shown import Shown


def provenance(shown: Shown) -> dict[str, str | float]:
    """What must be known of exported values, plain enough for any format."""
    molf = shown.molf
    slide = molf["slide"]
    return {
        "notice": NOTICE,
        "slide": shown.slide_name,
        "slide_fingerprint": str(slide.get("fingerprint", "")),
        "slide_width_px": int(slide["width"]),
        "slide_height_px": int(slide["height"]),
        "um_per_pixel": shown.um_per_pixel,
        "patch_um": float(molf["patch_um"]),
        "model": str(molf["bundle"]),
        "weights_hash": str(molf["weights_hash"]),
        "encoder": str(molf["encoder"]),
        "cancer_code": str(molf["cancer_code"]),
        "guidance": shown.scale,
        "estimate": "mean" if shown.scale != shown.own_scale else str(molf["estimate"]),
        "expression_units": shown.units,
        "simulated": "yes" if molf.get("simulated") else "no",
        "software": str(molf["software"]),
    }


def line(shown: Shown) -> str:
    """The same in one line of small print."""
    molf = shown.molf
    simulated = " Model of simulated tissue." if molf.get("simulated") else ""
    return (
        f"{shown.slide_name} · model {molf['bundle']} · code {molf['cancer_code']} · guidance {shown.scale:.3g} · "
        f"{molf['software']}.{simulated} {NOTICE[0].upper()}{NOTICE[1:]}."
    )


def text(shown: Shown) -> str:
    """The same, one fact a line."""
    return "\n".join(f"{name}: {value}" for name, value in provenance(shown).items())


def command(shown: Shown) -> str:
    """The ``molf-engine`` command that makes the prediction again, over the whole tissue of the slide."""
    molf = shown.molf
    words = ["molf-engine", "predict", str(molf["slide"]["path"]), "-o", f"{shown.slide_name}.h5ad"]
    words += ["-m", _model_argument(shown)]
    words += ["--code", str(molf["cancer_code"]), "--guidance", f"{shown.scale:g}"]
    if str(molf["slide"].get("um_per_pixel_source", "file")) != "file":
        words += ["--um-per-pixel", f"{shown.um_per_pixel:g}"]
    stride = float(molf["grid"].get("stride_um", molf["patch_um"])) if "grid" in molf else float(molf["patch_um"])
    if abs(stride - float(molf["patch_um"])) > 1e-6:
        words += ["--stride-um", f"{stride:g}"]
    if str(molf["estimate"]) != "mean" and shown.scale == shown.own_scale:
        words += ["--estimate", str(molf["estimate"]), "--steps", str(int(molf["steps"]))]
        words += ["--draws", str(int(molf["draws"])), "--seed", str(int(molf["seed"]))]
    if str(molf.get("precision", "float32")) != "float32":
        words += ["--precision", str(molf["precision"])]
    return shlex.join(words)


def _model_argument(shown: Shown) -> str:
    """What the command line finds the model by: its short name where it is among those known here, else its folder."""
    from molf_engine.bundle import find_bundle_by_hash, known_bundles

    bundle = shown.bundle or find_bundle_by_hash(str(shown.molf["weights_hash"]))
    if bundle is None:
        return str(shown.molf["bundle"])
    return next((name for name, path in known_bundles().items() if path == bundle.path), str(bundle.path))
