"""The built-in encoder, fitted to sections of which one slide is open at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, cast

from molf_engine.data.corpus.inputs import Source
from molf_engine.data.corpus.measure import Recipe
from molf_engine.data.expression import load_expression
from molf_engine.data.sections import Section, open_section
from molf_engine.encoders import BuiltinEncoder, fit_builtin
from molf_engine.errors import DataError, MolfError, SlideError
from molf_engine.progress import Progress, ProgressCallback, silent
from molf_engine.slides import Patches, Slide, patches_at

MIN_COUNTS = 100.0
"""Spots with fewer counts are not fitted to, as in training."""
PHASE = "Reading counts to fit the encoder"


def fit_to(
    sources: Sequence[Source], recipe: Recipe, *, seed: int = 0, progress: ProgressCallback = silent
) -> tuple[BuiltinEncoder, tuple[str, ...]]:
    """The built-in encoder fitted to patches of these sections, and the ids of those that could be read.

    Raises
    ------
    DataError
        If no section can be read, or they have too few patches.
    """
    opener = _Opener()
    samples: dict[str, tuple[Slide, Patches]] = {}
    failure: MolfError | None = None
    try:
        for done, source in enumerate(sources):
            progress(Progress(PHASE, done, len(sources), "sections"))
            section = source.section
            try:
                expression = load_expression(section, recipe.genes, MIN_COUNTS, recipe.symbols_of(section))
                slide = cast("Slide", _LateSlide(section, opener))
                samples[section.id] = slide, patches_at(slide, expression.positions, recipe.patch_um, expression.names)
            except MolfError as error:
                failure = error
        while samples:
            try:
                encoder = fit_builtin(samples.values(), seed=seed, progress=progress)
                return encoder, tuple(samples)
            except SlideError as error:
                # Not one patch of the slide that is open can be read: fit without it.
                if opener.section is None or samples.pop(opener.section.id, None) is None:
                    raise
                failure = error
    finally:
        opener.close()
    raise DataError(
        f"The built-in encoder is fitted to patches cut from slides, and not one of {len(sources)} sections has a slide that can be "
        f"read{f' ({failure})' if failure else ''}. Put the slides into wsis/, or name an encoder that looks at the patches alone."
    )


class _Opener:
    """Keeps one slide open, the last that was asked for."""

    def __init__(self) -> None:
        self.section: Section | None = None
        self._slide: Slide | None = None
        self._lock = threading.Lock()

    def get(self, section: Section) -> Slide:
        with self._lock:
            if self._slide is None or self.section is not section:
                self.close()
                self.section, self._slide = section, open_section(section)
            return self._slide

    def close(self) -> None:
        if self._slide is not None:
            self._slide.close()
        self._slide = None


class _LateSlide:
    """A slide that is opened when something is asked of it."""

    def __init__(self, section: Section, opener: _Opener) -> None:
        self._section, self._opener = section, opener

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        return getattr(self._opener.get(self._section), name)
