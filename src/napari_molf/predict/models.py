"""Slow work on files, done beside the window's thread: loading models, saving results.  No Qt."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from napari_molf.core.run import Run, with_model

if TYPE_CHECKING:
    from molf_engine.bundle import Bundle

_log = logging.getLogger(__name__)


def load_known() -> list[Bundle]:
    """Models of this machine; one that is damaged is left out and logged."""
    from molf_engine.bundle import Bundle, known_bundles
    from molf_engine.errors import BundleError

    bundles = []
    for path in known_bundles().values():
        try:
            bundles.append(_read(Bundle.load(path)))
        except BundleError as error:
            _log.warning("%s", error)
    _warm_up()
    return bundles


def load_known_and(folder: Path | None) -> list[Bundle]:
    """Models of this machine, and the one in a folder that was chosen in an earlier session, if it is still there."""
    from molf_engine.bundle import Bundle
    from molf_engine.errors import BundleError

    bundles = load_known()
    if folder is None or not folder.is_dir() or any(bundle.path == folder for bundle in bundles):
        return bundles
    try:
        return [*bundles, _read(Bundle.load(folder))]
    except BundleError as error:
        _log.warning("the model of the last session is left out: %s", error)
        return bundles


def load_one(folder: Path, run: Run | None) -> tuple[Bundle, Run | None]:
    """The model in a folder and, if it is the one that ``run`` was made with, that run with its guidance free.

    Raises
    ------
    BundleError
        If the folder holds no model.
    """
    from molf_engine.bundle import Bundle

    bundle = _read(Bundle.load(folder))
    if run is None:
        return bundle, None
    opened = with_model(run, bundle)
    return bundle, opened if opened is not run else None


def save(run: Run, path: Path) -> Path:
    """Write a prediction; the file dialog has asked whether an existing file may go.

    Raises
    ------
    MolfError
        If it cannot be written there.
    """
    from molf_engine.prediction import write_prediction

    target = path if path.suffix in (".h5ad", ".zarr") else path.with_suffix(".h5ad")
    write_prediction(run.scores.adata, target, overwrite=True)
    return target


def _read(bundle: Bundle) -> Bundle:
    # Read from disk here, so that asking for them in the window is free.
    _ = bundle.genes, bundle.metrics
    return bundle


def _warm_up() -> None:
    """Import what Predict will need: hundreds of milliseconds that the window would stand still for."""
    import anndata  # noqa: F401
    import scipy.special  # noqa: F401

    import molf_engine.prediction.guided
    import molf_engine.prediction.jobs
    import molf_engine.prediction.storage  # noqa: F401
