"""Prediction: a slide and a bundle in, an AnnData out.

Only :func:`predict_slide` needs torch.  Reading a result and asking it for another guidance scale (:class:`Guided`) do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molf_engine.prediction.contract import validate
    from molf_engine.prediction.guided import Guided
    from molf_engine.prediction.predict import predict_slide
    from molf_engine.prediction.storage import read_prediction, write_prediction

__all__ = ["Guided", "predict_slide", "read_prediction", "validate", "write_prediction"]

_HOMES = {
    "Guided": "guided",
    "predict_slide": "predict",
    "read_prediction": "storage",
    "validate": "contract",
    "write_prediction": "storage",
}


def __getattr__(name: str) -> Any:
    # Resolved on first use: importing the package must not import torch or anndata.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
