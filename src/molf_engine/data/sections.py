"""Sections in the layout of HEST-1k: ``st/<id>.h5ad``, ``wsis/<id>.tif``, ``metadata/<id>.json``.

Only file names and the small metadata files are read here; counts are read by :mod:`molf_engine.data.expression`,
pixels by :mod:`molf_engine.slides`.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molf_engine.errors import DataError, MissingScaleError

if TYPE_CHECKING:
    from molf_engine.slides import Slide

logger = logging.getLogger(__name__)

UNKNOWN = "Unknown"
_STATES = {"treated": "Treated", "diseased": "Diseased", "cancer": "Cancer"}


@dataclass(frozen=True)
class Section:
    """One section of tissue: a slide and the counts measured on it."""

    id: str
    slide_path: Path
    st_path: Path
    um_per_pixel: float | None = None
    """At level 0, from the metadata; none: the slide file may say it."""
    patient: str = UNKNOWN
    """Patient or animal; ``Unknown`` is no patient: two such sections may or may not be of one."""
    code: str = UNKNOWN
    """OncoTree code, or the state of the tissue; see :func:`cancer_code`."""
    organ: str = UNKNOWN
    technology: str = UNKNOWN
    species: str = UNKNOWN
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Every field of ``metadata/<id>.json``."""

    @property
    def is_mouse(self) -> bool:
        """Whether the metadata say that the tissue is of a mouse."""
        return self.species.lower() in {"mus musculus", "mouse"}

    @property
    def is_simulated(self) -> bool:
        """Whether the metadata say that the tissue was simulated."""
        return "simulated" in f"{self.species} {self.technology}".lower()


def open_section(section: Section) -> Slide:
    """Open the slide of a section at the um per pixel that its metadata or else the file says.

    Raises
    ------
    MissingScaleError
        If neither says it.
    """
    from molf_engine.slides import open_slide

    slide = open_slide(section.slide_path, section.um_per_pixel)
    if slide.um_per_pixel is None:
        slide.close()
        raise MissingScaleError(
            f"{section.id}: neither {section.slide_path} nor its metadata say how many um a pixel is. Write it into "
            f"metadata/{section.id}.json as pixel_size_um_estimated."
        )
    return slide


def cancer_code(oncotree_code: str, disease_state: str) -> str:
    """Code that the network is conditioned on: the OncoTree code, else the state of the tissue, else ``Unknown``.

    Blank codes are filled as the published splits fill them, so that healthy tissue is trained under a code of its own:
    ``Healthy``, ``Treated_Unspecified``, ``Diseased_Unspecified``, ``Cancer_Unspecified``.
    """
    if oncotree_code:
        return oncotree_code
    # Some files add a remark: "Diseased (IPF, less fibrotic)".
    state = disease_state.partition("(")[0].strip().lower()
    if state == "healthy":
        return "Healthy"
    return f"{_STATES[state]}_Unspecified" if state in _STATES else UNKNOWN


def read_hest(folder: Path | str, ids: Iterable[str] = ()) -> list[Section]:
    """Sections of a HEST-layout folder, or of a folder that holds several of them.

    Parameters
    ----------
    folder
        Holds ``st/`` and ``wsis/`` (and, if known, ``metadata/``), or folders that do.
    ids
        Only these, in this order; empty: all that have both a slide and counts, by folder and name.

    Raises
    ------
    DataError
        If the folder, ``st/`` or ``wsis/`` is missing, an id is unknown, there twice or without its slide, or a
        metadata file is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"No such folder: {folder}. Name a folder in the layout of HEST-1k (st/, wsis/, metadata/).")
    files = find_counts(_roots(folder), folder)
    wanted = tuple(dict.fromkeys(ids))
    if unknown := [name for name in wanted if name not in files]:
        raise DataError(f"No section {', '.join(unknown)} in {folder}. It has: {', '.join(files)}.")
    slides = {name: find_slide(files[name]) for name in wanted or files}
    if missing := [name for name, slide in slides.items() if slide is None]:
        if wanted or len(missing) == len(slides):
            wsis = files[missing[0]].parent.parent / "wsis"
            raise DataError(f"No slide for {', '.join(missing[:5])} in {wsis}: put it there as {missing[0]}.tif.")
        logger.warning(
            "Left out %d sections of %s that have counts but no slide: %s", len(missing), folder, ", ".join(missing)
        )
    return [make_section(name, slide, files[name]) for name, slide in slides.items() if slide is not None]


def _roots(folder: Path) -> list[Path]:
    """Folders that hold ``st/`` and ``wsis/``: the folder itself, or those in it."""
    if (folder / "st").is_dir() or (folder / "wsis").is_dir():
        roots = [folder]
    else:
        roots = [child for child in sorted(folder.iterdir()) if (child / "st").is_dir() or (child / "wsis").is_dir()]
    if not roots:
        raise DataError(f"{folder} is not in the layout of HEST-1k: neither it nor a folder in it has st/ and wsis/.")
    for root in roots:
        for part, content in (("st", "the counts, <id>.h5ad"), ("wsis", "the slides, <id>.tif")):
            if not (root / part).is_dir():
                raise DataError(f"{root} has no folder {part}/: it should hold {content}.")
    return roots


def find_counts(roots: list[Path], folder: Path) -> dict[str, Path]:
    """``st/<id>.h5ad`` of each section in ``roots``, folders of ``folder``.  Raises :class:`DataError` for none, or one that is twice."""
    files: dict[str, Path] = {}
    for root in roots:
        for path in sorted((root / "st").glob("*.h5ad")):
            # Hidden files: what macOS and interrupted copies leave behind.
            if path.name.startswith("."):
                continue
            if path.stem in files:
                raise DataError(f"Section {path.stem} is twice in {folder}: {files[path.stem]} and {path}. Keep one.")
            files[path.stem] = path
    if not files:
        raise DataError(f"No counts in {folder}: st/ holds no .h5ad file.")
    return files


def find_slide(st_path: Path) -> Path | None:
    """Slide with the section's name: ``<id>.tif`` if there, else whatever bears the name."""
    wsis = st_path.parent.parent / "wsis"
    usual = wsis / f"{st_path.stem}.tif"
    if usual.is_file():
        return usual
    if not wsis.is_dir():
        return None
    # Not Path.stem: an id may hold dots, and so may a suffix (.ome.tif, .ome.zarr).
    named = sorted(path for path in wsis.iterdir() if path.name.startswith(f"{st_path.stem}."))
    return named[0] if named else None


def make_section(name: str, slide_path: Path, st_path: Path, more: Mapping[str, Any] | None = None) -> Section:
    """Section described by ``metadata/<id>.json``, and by ``more`` where that says nothing.  Raises :class:`DataError` if damaged."""
    own = _read_metadata(st_path.parent.parent / "metadata" / f"{name}.json")
    metadata = {**own, **(more or {}), **{key: value for key, value in own.items() if value not in (None, "")}}

    def text(*keys: str, missing: str = UNKNOWN) -> str:
        values = (str(metadata[key]).strip() for key in keys if metadata.get(key) is not None)
        return next((value for value in values if value), missing)

    return Section(
        id=name,
        slide_path=slide_path,
        st_path=st_path,
        um_per_pixel=_um_per_pixel(metadata),
        patient=text("patient", "patient_id"),
        code=cancer_code(text("oncotree_code", missing=""), text("disease_state", missing="")),
        organ=text("organ"),
        technology=text("st_technology"),
        species=text("species"),
        metadata=metadata,
    )


def _read_metadata(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"Cannot read the metadata {path}: {error}. Repair the file or remove it.") from error
    if not isinstance(values, dict):
        raise DataError(f"The metadata {path} should be one JSON object with a field for each fact.")
    # HEST writes unknown values as NaN.
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in values.items()}


def _um_per_pixel(metadata: Mapping[str, Any]) -> float | None:
    """Scale from the spots' distance if it is known, as HEST itself prefers, else what the scanner wrote."""
    for key in ("pixel_size_um_estimated", "pixel_size_um_embedded"):
        try:
            value = float(metadata.get(key) or math.nan)
        except (TypeError, ValueError):
            continue
        if math.isfinite(value) and value > 0:
            return value
    return None
