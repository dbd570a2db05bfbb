"""Measured spots with the features of their patches, wherever they are kept.

Training and evaluation ask a :class:`SpotSource` and do not know whether the spots come from the slides of a folder
(:class:`FolderSpots`) or from a prepared corpus (:class:`molf_engine.data.corpus.Corpus`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from molf_engine.data.expression import Expression, load_expression
from molf_engine.data.sections import Section, open_section, read_hest
from molf_engine.encoders import FeatureCache, encode_patches
from molf_engine.encoders.elsewhere import read_features
from molf_engine.errors import DataError
from molf_engine.progress import ProgressCallback, silent
from molf_engine.slides import patches_at

if TYPE_CHECKING:
    from molf_engine.encoders import Encoder
    from molf_engine.slides import Patches, Slide

Symbols = Literal["human_symbol"]
SUFFIXES = (".h5", ".pt", ".npy")
"""Of files with features made elsewhere, in the order in which they are looked for."""


@dataclass(frozen=True)
class Spots:
    """Spots of one section whose patch can be read (``S`` spots, ``D`` features)."""

    section: Section
    features: np.ndarray
    """``(S, D)`` float32, finite."""
    positions_um: np.ndarray
    """``(S, 2)`` float64: x and y of the centres in um."""
    expression: Expression
    um_per_pixel: float
    """Of the slide, at level 0."""


class SpotSource(Protocol):
    """Where spots come from."""

    @property
    def encoder(self) -> str:
        """Name of the encoder whose features these are."""

    @property
    def width(self) -> int | None:
        """D, the length of a feature vector; none: known once a section is read."""

    def sections(self, ids: Iterable[str] = ()) -> list[Section]:
        """Return the sections with these ids, in this order; none given: all.  Raises :class:`DataError` for an unknown one."""

    def read(
        self,
        section: Section,
        genes: tuple[str, ...],
        min_counts: float = 0,
        symbols: Symbols | None = None,
        progress: ProgressCallback = silent,
    ) -> Spots:
        """Return the spots of a section on a panel; see :func:`molf_engine.data.load_expression`.  Raises :class:`MolfError`."""

    def fingerprint(self, section: Section) -> str:
        """Return a text that changes when the section's measurement does: a run is not gone on with on other data."""


class FolderSpots:
    """Spots of a HEST-layout folder: slides are encoded as they are asked for, or features made elsewhere are read.

    Parameters
    ----------
    folder : Path
        See :func:`molf_engine.data.read_hest`.
    patch_um : float
        Side of a patch.
    encoder : Encoder, optional
        Encodes the patches; not needed where ``features`` are given.
    features : Path, optional
        Folder with ``<id>.h5``, ``.pt`` or ``.npy``; see :func:`molf_engine.encoders.elsewhere.read_features`.
    name : str, optional
        Name of the encoder that made ``features``.
    cache : FeatureCache, optional
        Keeps what is encoded.
    """

    def __init__(
        self,
        folder: Path | str,
        patch_um: float,
        *,
        encoder: Encoder | None = None,
        features: Path | None = None,
        name: str = "",
        cache: FeatureCache | None = None,
    ) -> None:
        if encoder is None and features is None:
            raise DataError(
                "The model cannot encode patches itself. Give the features that its encoder made (--features FOLDER)."
            )
        if features is not None and not features.is_dir():
            raise DataError(f"There is no folder {features} with the features of each section (<id>.h5, .pt or .npy).")
        self.folder, self.patch_um = Path(folder), patch_um
        self._encoder, self._features, self._cache = encoder, features, cache
        self._name = name

    @property
    def encoder(self) -> str:
        """Name of the encoder."""
        return self._encoder.name if self._encoder is not None else self._name

    @property
    def width(self) -> int | None:
        """Length of a feature vector."""
        return self._encoder.width if self._encoder is not None else None

    def sections(self, ids: Iterable[str] = ()) -> list[Section]:
        """Sections of the folder."""
        return read_hest(self.folder, ids)

    def read(
        self,
        section: Section,
        genes: tuple[str, ...],
        min_counts: float = 0,
        symbols: Symbols | None = None,
        progress: ProgressCallback = silent,
    ) -> Spots:
        """Spots of a section, encoded now unless the cache has them."""
        expression = load_expression(section, genes, min_counts, symbols)
        with open_section(section) as slide:
            patches = patches_at(slide, expression.positions, self.patch_um, expression.names)
            features = self._features_of(section, slide, patches, progress)
        readable = np.isfinite(features).all(axis=1)
        return Spots(
            section,
            features[readable],
            patches.positions_um[readable],
            expression.subset(readable),
            patches.um_per_pixel,
        )

    def _features_of(self, section: Section, slide: Slide, patches: Patches, progress: ProgressCallback) -> np.ndarray:
        if self._features is None:
            assert self._encoder is not None
            return encode_patches(slide, patches, self._encoder, cache=self._cache, progress=progress)
        return read_features(features_file(self._features, section.id), patches)

    def fingerprint(self, section: Section) -> str:
        """Size of the file with the counts."""
        return folder_fingerprint(section)


def folder_fingerprint(section: Section) -> str:
    """Size of the file with the counts of a section."""
    return str(section.st_path.stat().st_size)


def features_file(folder: Path, section: str) -> Path:
    """File with the features of a section that another tool made.  Raises :class:`DataError` if there is none."""
    for suffix in SUFFIXES:
        if (path := folder / f"{section}{suffix}").is_file():
            return path
    raise DataError(f"{folder} has no features of {section}: expected {section}{' or '.join(SUFFIXES)}.")
