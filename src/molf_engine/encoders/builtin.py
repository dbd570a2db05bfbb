"""The built-in encoder: colour and texture statistics, standardised and projected.  Needs no download and no GPU.

It sees 448 um of tissue at 3.5 um per pixel, coarse on purpose: at that scale an image of 3 um per pixel and a 40x
scan show the same. Core statistics are features as they are; of the fine ones the first principal components are
kept.  Every feature has unit variance over the training patches.  A PCA of everything, whitened, is far worse on
unseen patients: it blows up directions that are mostly noise of scanner and focus (``docs/encoder.md``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molf_engine.encoders.protocol import usable_cores
from molf_engine.encoders.stain import StainLevel, measure_level, stain_maps
from molf_engine.encoders.texture import statistics
from molf_engine.errors import BundleError, DataError
from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from molf_engine.slides import Patches, Slide

KIND = "builtin-texture"
VERSION = 1
FIELD_UM = 448.0
FIELD_PX = 128
FINE_COMPONENTS = 8
"""Principal components that are kept of the fine statistics."""
_OUTLIER_SD = 6.0
_UNKNOWN_LEVEL = StainLevel()
_FEWEST_PATCHES, _MAX_PATCHES = 16, 4000
_SETTINGS, _WEIGHTS = "encoder.json", "encoder.safetensors"


@dataclass(frozen=True, eq=False)
class Projection:
    """Standardisation and PCA of the statistics of training patches.

    Attributes
    ----------
    mean, scale : ndarray, (S,), float32
        Mean and sd of each statistic over the training patches.
    components : ndarray, (S, D), float32
        Features as sums of standardised statistics.
    """

    mean: np.ndarray
    scale: np.ndarray
    components: np.ndarray

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Features ``(B, D)`` float32 of statistics ``(B, S)``."""
        # float64: a matrix product in float32 would depend on the batch in its last digits.
        standard = (values.astype(np.float64) - self.mean) / self.scale
        return (np.clip(standard, -_OUTLIER_SD, _OUTLIER_SD) @ self.components.astype(np.float64)).astype(np.float32)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the numbers."""
        digest = hashlib.sha256()
        for array in (self.mean, self.scale, self.components):
            digest.update(np.ascontiguousarray(array, "<f4").tobytes())
        return digest.hexdigest()


def fit_projection(values: np.ndarray, core: int, fine: int) -> Projection:
    """Standardise the core statistics and reduce the others to their principal components.

    Parameters
    ----------
    values
        ``(N, S)`` statistics of N training patches, the core ones first.
    core
        How many are core: each is a feature of its own.
    fine
        How many principal components of the others are kept.

    Returns
    -------
    A projection to D = core + fine features, each of unit variance over the training patches.
    """
    exact = values.astype(np.float64)
    mean, scale = exact.mean(axis=0), np.maximum(exact.std(axis=0), 1e-6)
    standard = np.clip((exact - mean) / scale, -_OUTLIER_SD, _OUTLIER_SD)
    components = np.zeros((values.shape[1], core + fine))
    components[:core, :core] = np.eye(core)
    components[core:, core:] = _whitened_directions(standard[:, core:], fine)
    return Projection(mean.astype(np.float32), scale.astype(np.float32), components.astype(np.float32))


def _whitened_directions(standard: np.ndarray, count: int) -> np.ndarray:
    variance, directions = np.linalg.eigh(standard.T @ standard / len(standard))
    variance, directions = variance[::-1][:count], directions[:, ::-1][:, :count]
    # The sign of an eigenvector is arbitrary; fixed like this it does not change with the linear algebra library.
    largest = np.abs(directions).argmax(axis=0)
    signs = np.sign(directions[largest, np.arange(directions.shape[1])])
    return directions * signs / np.sqrt(np.maximum(variance, 1e-6))


@dataclass(frozen=True, eq=False)
class BuiltinEncoder:
    """Colour and texture statistics of 448 um of tissue about a patch, projected to D features.

    Make one with :func:`fit_builtin` or :func:`~molf_engine.encoders.load_encoder`.
    """

    projection: Projection
    level: StainLevel = _UNKNOWN_LEVEL
    """White and stain strength of the slide at hand; not part of the encoder's identity."""
    field_um: float = FIELD_UM
    field_px: int = FIELD_PX

    @property
    def name(self) -> str:
        """Identity: kind, version and a hash of the weights."""
        return f"{KIND}-v{VERSION}:{self.projection.digest[:12]}"

    @property
    def width(self) -> int:
        """D, the length of a feature vector."""
        return int(self.projection.components.shape[1])

    def for_slide(self, slide: Slide) -> BuiltinEncoder:
        """Return this encoder with the white and stain strength of ``slide``."""
        return replace(self, level=measure_level(slide))

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Encode ``(B, 128, 128, 3)`` uint8 RGB images as ``(B, D)`` float32, whatever the batch and the threads."""
        return self.projection(image_statistics(images, self.level, self.field_um / self.field_px))

    def save(self, folder: Path) -> None:
        """Write ``encoder.json`` and ``encoder.safetensors`` into an existing folder."""
        from safetensors.numpy import save

        arrays = {
            "mean": self.projection.mean,
            "scale": self.projection.scale,
            "components": self.projection.components,
        }
        # Not save_file: it makes files that only their owner may read.
        (folder / _WEIGHTS).write_bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))
        settings = {
            "kind": KIND,
            "version": VERSION,
            "name": self.name,
            "width": self.width,
            "field_um": self.field_um,
            "field_px": self.field_px,
            "sha256": self.projection.digest,
        }
        (folder / _SETTINGS).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def from_folder(cls, folder: Path, settings: dict[str, Any]) -> BuiltinEncoder:
        """Read back what :meth:`save` wrote; ``settings`` is the content of ``encoder.json``.

        Raises
        ------
        BundleError
            If the version is unknown, or the weights are missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        if settings.get("version") != VERSION:
            raise BundleError(
                f"{folder}: the encoder is {KIND} version {settings.get('version')}; this software reads version"
                f" {VERSION}. Install the version of napari-molf that the model was trained with, or train again."
            )
        path = folder / _WEIGHTS
        try:
            arrays = load_file(path)
            projection = Projection(arrays["mean"], arrays["scale"], arrays["components"])
        except (OSError, SafetensorError, KeyError) as error:
            raise BundleError(
                f"{path}: the encoder's weights are missing or damaged ({error}). Get the model again."
            ) from error
        if projection.digest != settings.get("sha256"):
            raise BundleError(
                f"{path}: the encoder's weights are damaged (their checksum differs). Get the model again."
            )
        return cls(projection, field_um=float(settings["field_um"]), field_px=int(settings["field_px"]))


def image_statistics(images: np.ndarray, level: StainLevel, um_per_pixel: float) -> np.ndarray:
    """Statistics ``(B, S)`` float32 of images ``(B, n, n, 3)``; one thread for each core, one image at a time."""

    def one(image: np.ndarray) -> np.ndarray:
        core, fine = statistics(stain_maps(image, level), um_per_pixel)
        return np.concatenate([core.ravel(), fine.ravel()])

    with ThreadPoolExecutor(usable_cores(), thread_name_prefix="encode") as pool:
        return np.stack(list(pool.map(one, images)))


def statistics_count() -> tuple[int, int]:
    """How many core and how many other statistics there are."""
    core, fine = statistics(np.zeros((3, 32, 32), np.float32), FIELD_UM / FIELD_PX)
    return core.size, fine.size


def fit_builtin(
    samples: Iterable[tuple[Slide, Patches]],
    *,
    seed: int = 0,
    components: int = FINE_COMPONENTS,
    progress: ProgressCallback = silent,
) -> BuiltinEncoder:
    """Fit the built-in encoder to TRAINING patches: never show it the patches of a test slide.

    Parameters
    ----------
    samples
        Slides and their patches; with more than 4,000 patches in all, a random choice of them.
    seed
        Of that choice.
    components
        How many principal components of the fine statistics are kept.
    progress
        Told how many patches are read.

    Raises
    ------
    DataError
        If there are too few patches to fit to.
    """
    from molf_engine.encoders.encode import encode_patches

    samples = list(samples)
    total = sum(len(patches) for _, patches in samples)
    chosen = np.sort(np.random.default_rng(seed).permutation(total)[:_MAX_PATCHES])
    reader = _StatisticsOnly()
    parts = []
    start = done = 0
    for slide, patches in samples:
        index = chosen[(chosen >= start) & (chosen < start + len(patches))] - start
        start += len(patches)
        if not len(index):
            continue

        def report(step: Progress, before: int = done) -> None:
            progress(Progress("Fitting the encoder", before + step.done, len(chosen)))

        parts.append(encode_patches(slide, patches.subset(index), reader, progress=report))
        done += len(index)
    values = np.concatenate(parts) if parts else np.empty((0, reader.width), np.float32)
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < _FEWEST_PATCHES:
        raise DataError(
            f"The built-in encoder is fitted to at least {_FEWEST_PATCHES} training patches; {len(values)} can be read."
        )
    return BuiltinEncoder(fit_projection(values, statistics_count()[0], components))


@dataclass(frozen=True)
class _StatisticsOnly:
    """The built-in encoder before it has a projection: its features are the statistics themselves."""

    level: StainLevel = _UNKNOWN_LEVEL
    name: str = f"{KIND}-v{VERSION}:statistics"
    field_um: float = FIELD_UM
    field_px: int = FIELD_PX

    @property
    def width(self) -> int:
        return sum(statistics_count())

    def for_slide(self, slide: Slide) -> _StatisticsOnly:
        return replace(self, level=measure_level(slide))

    def encode(self, images: np.ndarray) -> np.ndarray:
        return image_statistics(images, self.level, self.field_um / self.field_px)
