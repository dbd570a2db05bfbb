"""The regions of a slide with what is predicted in them, and the groups of patches that can be compared.  No Qt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_molf.regions.anchor import Anchor
from napari_molf.regions.layer import Drawn, regions_of

if TYPE_CHECKING:
    from molf_engine.regions import Region
    from napari_molf.core.run import Run

REST = "the rest of the tissue"


@dataclass(frozen=True, eq=False)
class Rows:
    """R regions of one slide.

    Attributes
    ----------
    regions
        In the order in which they were drawn.
    areas
        (R,) mm2; NaN where nobody has said how many um a pixel is.
    run_id
        The prediction that the patches are of; none if this slide has none.
    inside
        (R, P) bool: which patches are in which region; (R, 0) without a prediction.
    """

    regions: tuple[Region, ...] = ()
    areas: tuple[float, ...] = ()
    run_id: str | None = None
    inside: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))

    @property
    def patches(self) -> list[int]:
        """(R,) predicted patches in each region."""
        return [int(count) for count in self.inside.sum(axis=1)]

    @property
    def empty(self) -> list[str]:
        """Names of the regions in which nothing is predicted, of a slide that has a prediction."""
        if self.run_id is None:
            return []
        return [region.name for region, count in zip(self.regions, self.patches, strict=True) if count == 0]


@dataclass(frozen=True, eq=False)
class Group:
    """Patches to compare: ``inside`` (P,) bool; none: whatever the other group leaves."""

    label: str
    inside: np.ndarray | None


def make_rows(drawn: Sequence[Drawn], anchor: Anchor, run: Run | None) -> Rows:
    """Regions of what is drawn on a slide; for another thread than the window's."""
    from molf_engine.regions import membership
    from molf_engine.regions.summary import square_mm

    regions = regions_of(drawn, anchor)
    um = anchor.um_per_pixel
    areas = tuple(float("nan") if um is None else square_mm(region.area, um) for region in regions)
    if run is None:
        return Rows(regions, areas, None, np.zeros((len(regions), 0), dtype=bool))
    centres = np.asarray(run.scores.adata.obsm["spatial"], dtype=np.float64)
    return Rows(regions, areas, run.id, membership(regions, centres))


def groups_of(rows: Rows) -> list[Group]:
    """What can be compared: each region, and each class of several regions."""
    groups = [Group(region.name, inside) for region, inside in zip(rows.regions, rows.inside, strict=True)]
    classes = Counter(region.classification for region in rows.regions if region.classification)
    for name, count in classes.items():
        if count > 1:
            members = [region.classification == name for region in rows.regions]
            together = np.logical_or.reduce(rows.inside[members])
            groups.append(Group(f"class {name} ({count} regions)", together))
    return groups


def pair(a: Group, b: Group) -> tuple[np.ndarray, np.ndarray]:
    """(P,) masks of two groups, of which one may be the rest."""
    if a.inside is None:
        assert b.inside is not None  # the rest of the rest is offered to nobody
        return ~b.inside, b.inside
    return a.inside, ~a.inside if b.inside is None else b.inside
