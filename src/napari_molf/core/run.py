"""A prediction on show: what was asked, where its patches are, what it can show.  No Qt."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_molf.core.maps import GridFrame, PatchMap
from napari_molf.core.scores import Scores

if TYPE_CHECKING:
    from anndata import AnnData

    from molf_engine.bundle import Bundle
    from molf_engine.slides import Patches


# The engine counts from the outer edge of the first pixel, napari from its centre.
_EDGE_TO_CENTRE = -0.5


@dataclass(frozen=True)
class Run:
    """One prediction.

    Attributes
    ----------
    patches
        Where its patches are.
    scores
        What it can show.
    bundle
        The model that made it; none if it is not at hand.
    model
        That model's name.
    slide_name, slide_path
        The slide it was made on.
    simulated
        Whether the model learned from simulated tissue.
    path
        The file it was read from; none if it was made here and not saved.
    id
        Unique; layers carry it.
    given_names
        Names that the user gave to its experts, counted from 0.  Changed in place, so that whoever holds the run sees the names of now;
        see :meth:`~napari_molf.desk.presenter.Presenter.name_experts`.
    """

    patches: PatchMap
    scores: Scores
    bundle: Bundle | None
    model: str
    slide_name: str
    slide_path: Path
    simulated: bool = False
    path: Path | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    given_names: dict[int, str] = field(default_factory=dict, compare=False)

    @property
    def guidance(self) -> float:
        """Guidance scale that the model's authors chose, or that of the file if the model is not at hand."""
        return self.scores.guidance if self.bundle is None else self.bundle.config.guidance

    @property
    def missing_bundle(self) -> str | None:
        """Name of the model that is needed to change the guidance, if it is not at hand."""
        return None if self.scores.can_guide else self.model

    @property
    def why_fixed(self) -> str | None:
        """Why the guidance cannot be changed, and what to do about it; none if it can."""
        if self.missing_bundle is None:
            return None
        return (
            f"Guidance is fixed at {self.guidance:.3g}: changing it needs the model {self.missing_bundle}. "
            "Choose its folder under Model."
        )

    def asks_the_same_as(self, other: Run) -> bool:
        """Whether another prediction is of the same patches of the same slide, by the same model for the same cancer code."""
        mine, theirs = self.scores.adata.uns["molf"], other.scores.adata.uns["molf"]
        keys = ("weights_hash", "cancer_code", "estimate")
        return (
            self.slide_path == other.slide_path
            and all(str(mine[key]) == str(theirs[key]) for key in keys)
            and np.array_equal(self.patches.positions, other.patches.positions)
        )

    @property
    def weights_hash(self) -> str:
        """Hash of the weights of the model that made it."""
        return str(self.scores.adata.uns["molf"]["weights_hash"])

    @property
    def expert_names(self) -> tuple[str, ...]:
        """Names of its experts: those that the user gave, and ``E1``.. for the others."""
        from molf_engine.bundle.expert_names import with_defaults

        return with_defaults(self.given_names, self.scores.routing.shape[1])

    @property
    def unfamiliar(self) -> int:
        """How many patches look unlike the training slides."""
        obs = self.scores.adata.obs
        return int(obs["unfamiliar"].to_numpy(bool).sum()) if "unfamiliar" in obs else 0


def read_run(path: Path, bundle_path: Path | None = None, *, keep_path: bool = True) -> Run:
    """Read a saved prediction and the model that made it; slow, not for the window's thread.

    Raises
    ------
    PredictionError
        If the file is no prediction.
    """
    from molf_engine.bundle import Bundle
    from molf_engine.prediction import read_prediction

    adata = read_prediction(Path(path))
    bundle = Bundle.load(bundle_path) if bundle_path is not None else None
    return make_run(adata, bundle, path=Path(path) if keep_path else None)


def make_run(adata: AnnData, bundle: Bundle | None = None, *, path: Path | None = None) -> Run:
    """A run from a prediction in memory; a model that is not given is looked for among those of this machine."""
    from molf_engine.bundle import find_bundle_by_hash
    from molf_engine.prediction import Guided

    molf = adata.uns["molf"]
    if bundle is None:
        bundle = find_bundle_by_hash(str(molf["weights_hash"]))
    elif bundle.weights_hash != str(molf["weights_hash"]):
        bundle = None
    scores = Scores(adata, Guided(adata, bundle) if bundle is not None else None)
    slide = molf["slide"]
    return Run(
        patches=map_of_result(adata),
        scores=scores,
        bundle=bundle,
        model=bundle.name if bundle is not None else str(molf["bundle"]),
        slide_name=str(slide["name"]),
        slide_path=Path(str(slide["path"])),
        simulated=bool(molf.get("simulated", False)),
        path=path,
    )


def with_model(run: Run, bundle: Bundle) -> Run:
    """The same prediction with its model at hand, so that the guidance can be changed; as it was if it is of another model."""
    if run.scores.can_guide or bundle.weights_hash != run.weights_hash:
        return run
    opened = make_run(run.scores.adata, bundle, path=run.path)
    return replace(opened, id=run.id, slide_path=run.slide_path)


def map_of_result(adata: AnnData) -> PatchMap:
    """Where the patches of a prediction are."""
    molf = adata.uns["molf"]
    grid = molf.get("grid")
    return _patch_map(
        np.asarray(adata.obsm["spatial"], np.float64),
        adata.obs["row"].to_numpy(),
        adata.obs["col"].to_numpy(),
        float(molf["patch_px"]),
        float(molf["um_per_pixel"]),
        None if grid is None else (grid["origin"], grid["stride"], grid["shape"]),
    )


def map_of_patches(patches: Patches) -> PatchMap:
    """Where patches are whose expression is being predicted."""
    grid = patches.grid
    return _patch_map(
        np.asarray(patches.centres),
        patches.rows,
        patches.cols,
        float(patches.size_px),
        float(patches.um_per_pixel),
        None if grid is None else (grid.origin, grid.stride_px, grid.shape),
    )


def _patch_map(
    centres: np.ndarray,
    rows: np.ndarray,
    cols: np.ndarray,
    size_px: float,
    um_per_pixel: float,
    grid: tuple[Any, Any, Any] | None,
) -> PatchMap:
    frame = None
    if grid is not None:
        (x, y), stride, (height, width) = grid
        frame = GridFrame(
            (float(x) + _EDGE_TO_CENTRE, float(y) + _EDGE_TO_CENTRE), float(stride), (int(height), int(width))
        )
    return PatchMap(
        centres + _EDGE_TO_CENTRE, np.asarray(rows, np.int64), np.asarray(cols, np.int64), size_px, um_per_pixel, frame
    )
