"""One section from its files to memory: counts on the panel, and the features of every spot."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from molf_engine.data.corpus.images import encode_images, match_images
from molf_engine.data.corpus.inputs import Source
from molf_engine.data.expression import Expression, load_expression
from molf_engine.data.sections import Section, open_section
from molf_engine.data.spots import Symbols, features_file
from molf_engine.encoders import FeatureCache, encode_patches, read_features
from molf_engine.errors import DataError, MissingScaleError, MolfError
from molf_engine.progress import ProgressCallback, silent

if TYPE_CHECKING:
    from molf_engine.encoders import Encoder
    from molf_engine.slides import Patches, Slide


@dataclass(frozen=True)
class Recipe:
    """What every section of a corpus has in common."""

    panel: str
    """Name of the panel."""
    genes: tuple[str, ...]
    """The panel, ``G`` symbols."""
    patch_um: float = 112.0
    """Side of a patch."""
    features_dtype: Literal["float32", "float16"] = "float32"
    symbols: Symbols | None = None
    """``human_symbol``: sections of mice are matched by the human orthologs of their genes."""
    chosen_on: tuple[str, ...] = ()
    """Sections whose expression the panel was chosen on; none: it was known before."""

    def symbols_of(self, section: Section) -> Symbols | None:
        """How the genes of a section are matched with the panel."""
        return self.symbols if section.is_mouse else None


@dataclass(frozen=True)
class Measured:
    """All spots of one section."""

    section: Section
    features: np.ndarray
    """``(S, D)`` float32; NaN: the spot's patch cannot be read."""
    expression: Expression
    um_per_pixel: float
    """At level 0, as the slide or the metadata say."""
    slide_size: tuple[int, int] | None
    """Width and height of level 0, if known."""
    notes: tuple[str, ...] = ()
    """What a user should know about it."""


def measure(
    source: Source,
    recipe: Recipe,
    encoder: Encoder | None,
    *,
    features: Path | None = None,
    cache: FeatureCache | None = None,
    progress: ProgressCallback = silent,
) -> Measured:
    """Read and encode a section.

    A spot is encoded from its ready-cut image if there is one that shows as much tissue as the encoder looks at, else from the
    slide; a spot with neither has no features.

    Parameters
    ----------
    source, recipe
        What to read, and what to make of it.
    encoder
        Encodes the patches; not needed where ``features`` are given.
    features
        Folder with features made elsewhere; then neither slide nor images are looked at.
    cache, progress
        See :func:`molf_engine.encoders.encode_patches`.

    Raises
    ------
    MolfError
        If the section is broken; the message says how.
    """
    section = source.section
    if features is None and source.slide is None and source.patches is None:
        wsis = section.slide_path.parent
        raise DataError(
            f"{section.id}: there is neither a slide in {wsis} nor a file with its patches in {wsis.parent / 'patches'}."
        )
    expression = load_expression(section, recipe.genes, 0, recipe.symbols_of(section))
    with ExitStack() as stack:
        slide, problem = _slide(source, stack)
        scale = slide.um_per_pixel if slide is not None else section.um_per_pixel
        if scale is None:
            raise problem or MissingScaleError(
                f"{section.id}: there is no slide, and the metadata do not say how many um a pixel is (pixel_size_um_estimated)."
            )
        patches = _patches(expression, recipe.patch_um, scale)
        notes: list[str] = []
        if features is not None:
            values = read_features(features_file(features, section.id), patches, partial=True)
        else:
            assert encoder is not None
            values = _encoded(source, patches, encoder, slide, problem, notes, cache, progress)
        size = (slide.levels[0].width, slide.levels[0].height) if slide is not None else _told_size(section)
    notes += _about_genes(expression, section, recipe)
    readable = np.isfinite(values).all(axis=1)
    values[~readable] = np.nan
    if not readable.any():
        raise DataError(f"{section.id}: not one of its {len(readable)} spots has a patch that can be read.")
    if not readable.all():
        notes.append(f"{int((~readable).sum())} of {len(readable)} spots have no patch that can be read: left out")
    return Measured(section, values, expression, scale, size, tuple(notes))


_FEW_GENES = 0.02  # by chance some symbols of a mouse are those of human genes


def _about_genes(expression: Expression, section: Section, recipe: Recipe) -> list[str]:
    """Say that hardly a gene of the panel was measured, which is most often a matter of names."""
    measured = int(expression.measured.sum())
    if measured >= _FEW_GENES * len(recipe.genes):
        return []
    of_mouse = section.is_mouse or (expression.reference is not None and expression.reference.kind == "mouse")
    hint = (
        ". Its genes are of a mouse: prepare it with --orthologs mouse" if of_mouse and recipe.symbols is None else ""
    )
    return [f"only {measured} of the {len(recipe.genes)} genes of the panel are measured{hint}"]


def _slide(source: Source, stack: ExitStack) -> tuple[Slide | None, MolfError | None]:
    """The slide, or why it cannot be opened: whether it is needed is not known yet."""
    if source.slide is None:
        return None, None
    try:
        return stack.enter_context(open_section(source.section)), None
    except MolfError as error:
        return None, error


def _patches(expression: Expression, size_um: float, um_per_pixel: float) -> Patches:
    """All spots as patches, those too that are not on the slide."""
    from molf_engine.slides import Patches

    free = np.full(len(expression), -1, np.int64)
    return Patches(
        expression.positions, free, free.copy(), expression.names, size_um, size_um / um_per_pixel, um_per_pixel
    )


def _encoded(
    source: Source,
    patches: Patches,
    encoder: Encoder,
    slide: Slide | None,
    problem: MolfError | None,
    notes: list[str],
    cache: FeatureCache | None,
    progress: ProgressCallback,
) -> np.ndarray:
    """Features ``(S, D)``, from images where they do, else from the slide."""
    values = np.full((len(patches), encoder.width), np.nan, np.float32)
    if source.patches is not None:
        try:
            images = match_images(source.patches, patches)
            if not images.show(encoder.field_um):
                raise DataError(
                    f"{source.patches}: its images show {images.size_um:.0f} um of tissue, the encoder looks at {encoder.field_um:.0f} um."
                )
            values = encode_images(images, patches, encoder, slide, cache=cache, progress=progress)
        except MolfError as error:
            if slide is None:
                raise
            notes.append(f"cut from the slide: {error}")
    missing = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if not len(missing):
        return values
    if slide is None:
        if len(missing) == len(patches) and problem is not None:
            raise problem
        return values
    if 0 < len(missing) < len(patches):
        notes.append(f"{len(missing)} of {len(patches)} spots cut from the slide: they have no ready-cut image")
    on_slide = missing[_on_slide(slide, patches)[missing]]
    if 2 * len(on_slide) < len(missing):
        raise DataError(
            f"{source.section.id}: {len(missing) - len(on_slide)} of {len(missing)} spots are not on the slide, which has "
            f'{slide.levels[0].width} x {slide.levels[0].height} px. obsm["spatial"] should be x and y in level-0 pixels.'
        )
    values[on_slide] = encode_patches(slide, patches.subset(on_slide), encoder, cache=cache, progress=progress)
    return values


def _on_slide(slide: Slide, patches: Patches) -> np.ndarray:
    """Which patches overlap the slide, ``(P,)``."""
    margin = patches.size_px / 2
    extent = np.array([slide.levels[0].width, slide.levels[0].height])
    return np.asarray(((patches.centres > -margin) & (patches.centres < extent + margin)).all(axis=1))


def _told_size(section: Section) -> tuple[int, int] | None:
    try:
        return int(float(section.metadata["fullres_px_width"])), int(float(section.metadata["fullres_px_height"]))
    except (KeyError, TypeError, ValueError):
        return None
