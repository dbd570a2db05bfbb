"""Ready-cut images of spots, ``patches/<id>.h5`` of HEST-1k, and their features.

Such a file holds ``img`` ``(N, 224, 224, 3)`` uint8 (112 um of tissue at 0.5 um per pixel), ``coords`` ``(N, 2)`` and ``barcode``
``(N, 1)`` bytes.  HEST-1k writes the upper left corner of a patch in level-0 pixels, cut to whole pixels, and the side in such pixels
as the attribute ``patch_size_src``; the files of its benchmark hold centres.  Which it is, and how much tissue the images show, is
measured here against the positions of the spots.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molf_engine.encoders.cache import FeatureCache, View
from molf_engine.encoders.encode import ENCODING
from molf_engine.errors import DataError, MolfError
from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    import h5py

    from molf_engine.encoders.protocol import ImageEncoder
    from molf_engine.slides import Patches, Slide

logger = logging.getLogger(__name__)

_BARCODES, _SIDES = ("barcode", "barcodes"), ("patch_size_src", "patch_size_level0")
_SLACK = 0.03  # share by which nominal sizes differ: 0.5 um per pixel is 0.49 to 0.51
_NEAR_PX = 2.5  # corners are cut to whole pixels, twice
_ELSEWHERE = 0.05  # of a patch's side
_BLOCK = 128
_KEEP_SECONDS = 5.0


@dataclass(frozen=True)
class PatchImages:
    """Images of the patches of one section, matched to its spots, still on disk.

    Attributes
    ----------
    path : Path
        The file.
    rows : ndarray, (P,), int64
        Row of each spot's image in the file; -1: it has none.
    size_um : float
        Side of the tissue that an image shows.
    """

    path: Path
    rows: np.ndarray
    size_um: float

    def show(self, size_um: float) -> bool:
        """Whether the images show a square of ``size_um`` about the spot."""
        return size_um <= self.size_um * (1 + _SLACK)


def match_images(path: Path, patches: Patches) -> PatchImages:
    """Find the image of each spot, by barcode, or by position where the file has no barcodes.

    Raises
    ------
    DataError
        If the file is damaged or laid out otherwise, or not one spot has an image in it.
    """
    with _opened(path) as file:
        images = file.get("img")
        if images is None or images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
            raise DataError(
                f"{path} has no dataset `img` of shape (N, 224, 224, 3), uint8; it has {', '.join(file) or 'nothing'}."
            )
        names = next((_texts(file[name][()]) for name in _BARCODES if name in file), None)
        coords = None if "coords" not in file else np.asarray(file["coords"][()], np.float64).reshape(-1, 2)
        side = _side(file)
        count = len(images)
    for what, labels in (("barcodes", names), ("coords", coords)):
        if labels is not None and len(labels) != count:
            raise DataError(f"{path}: {count} images, but {len(labels)} {what}. The file is damaged: get it again.")
    if names is None and coords is None:
        raise DataError(f"{path} has neither `barcode` nor `coords`: its images cannot be told apart.")
    if names is not None:
        row_of = {name: row for row, name in enumerate(names)}
        rows = np.array([row_of.get(name, -1) for name in patches.names], np.int64)
    else:
        assert coords is not None
        rows = _by_position(coords, side, patches)
    if not (rows >= 0).any():
        how = f"barcodes, such as {names[0]}," if names else "coords"
        raise DataError(
            f"{path}: none of its {count} {how} is among the {len(patches)} spots, such as {patches.names[0]}. "
            "It may be of another section."
        )
    if coords is not None:
        found = coords[rows[rows >= 0]], patches.centres[rows >= 0]
        _check_places(path, *found, patches.size_px)
        side = _measured_side(*found) if side is None else side
    return PatchImages(path, rows, patches.size_um if side is None else side * patches.um_per_pixel)


def _side(file: h5py.File) -> float | None:
    """Side of a patch in level-0 pixels, as the file says it."""
    for place in (file["img"], file.get("coords"), file):
        for name in _SIDES:
            if place is not None and name in place.attrs:
                return float(place.attrs[name])
    return None


def _check_places(path: Path, coords: np.ndarray, centres: np.ndarray, size_px: float) -> None:
    """Refuse images that lie elsewhere than their spots: sections of one chip design share their barcodes."""
    near = max(_NEAR_PX, _ELSEWHERE * size_px)
    # The files of the benchmark hold y before x.
    for order in (coords, coords[:, ::-1]):
        offset = centres - order
        if np.median(np.abs(offset - np.median(offset, axis=0))) <= near:
            return
    raise DataError(
        f"{path}: its `coords` do not lie at the spots that bear the same barcodes. It may be of another section."
    )


def _measured_side(coords: np.ndarray, centres: np.ndarray) -> float | None:
    """Side of a patch, if ``coords`` are corners of patches about ``centres``; none: they are the centres, or neither."""
    offset = centres - coords
    middle = np.median(offset, axis=0)
    if (
        np.percentile(np.abs(offset - middle), 90) > _NEAR_PX
        or abs(middle[0] - middle[1]) > _NEAR_PX
        or middle.min() < _NEAR_PX
    ):
        return None
    return float(2 * middle.mean())


def _by_position(coords: np.ndarray, side: float | None, patches: Patches) -> np.ndarray:
    from scipy.spatial import cKDTree

    if not len(coords):
        return np.full(len(patches), -1)
    near = max(_NEAR_PX, 0.02 * patches.size_px)
    candidates = []
    for shift in ((patches.size_px if side is None else side) / 2, 0.0):
        distance, rows = cKDTree(coords + shift).query(patches.centres)
        candidates.append(np.where(distance <= near, rows, -1))
    return max(candidates, key=lambda rows: int((rows >= 0).sum()))


def encode_images(
    images: PatchImages,
    patches: Patches,
    encoder: ImageEncoder,
    slide: Slide | None,
    *,
    cache: FeatureCache | None = None,
    progress: ProgressCallback = silent,
) -> np.ndarray:
    """Features ``(P, D)`` float32 of the spots that have an image, NaN for the others; read block by block.

    Parameters
    ----------
    images, patches
        From :func:`match_images`, and what was matched.
    encoder
        Its field must be within the images: :meth:`PatchImages.show`.
    slide
        Where an encoder takes the white of the glass from; none: from a sheet of the images.
    cache
        Keeps what is encoded, so that a killed run does not lose a large section.
    progress
        Told how many spots are done.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    from molf_engine.data.corpus.sheet import PatchSheet

    features = np.full((len(patches), encoder.width), np.nan, np.float32)
    wanted = np.flatnonzero(images.rows >= 0)
    view = _view(images, patches, encoder)
    if cache is not None:
        known, found = cache.find(view, patches.centres[wanted])
        features[wanted[known]] = found
    left = wanted[~np.isfinite(features[wanted]).all(axis=1)]
    # In the order of the file, which is read once.
    left = left[np.argsort(images.rows[left], kind="stable")]
    done, written = len(wanted) - len(left), time.monotonic()
    pending: list[np.ndarray] = []
    progress(Progress(ENCODING, done, len(wanted)))
    if not len(left):
        return features
    with _opened(images.path) as file:
        stack = file["img"]
        encoder = encoder.for_slide(slide if slide is not None else PatchSheet(images.path, stack, images.size_um))
        with closing(_blocks(stack, left, images, encoder)) as blocks:
            for block, fields in blocks:
                features[block] = encoder.encode(fields)
                done += len(block)
                pending.append(block)
                if cache is not None and (done == len(wanted) or time.monotonic() - written > _KEEP_SECONDS):
                    rows = np.concatenate(pending)
                    cache = _keep(cache, view, patches.centres[rows], features[rows])
                    pending, written = [], time.monotonic()
                progress(Progress(ENCODING, done, len(wanted)))
    return features


def _blocks(
    stack: h5py.Dataset, spots: np.ndarray, images: PatchImages, encoder: ImageEncoder
) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
    """Spots and fields of each block; the next one is read while one is encoded."""

    def read(block: np.ndarray) -> np.ndarray:
        rows, place = np.unique(images.rows[block], return_inverse=True)
        # A slice is read many times as fast as a list of rows.
        run = rows[-1] - rows[0] == len(rows) - 1
        found = stack[rows[0] : rows[-1] + 1] if run else stack[rows]
        return _fields(found[place], encoder, images.size_um)

    with ThreadPoolExecutor(1, thread_name_prefix="read-images") as pool:
        pending = pool.submit(read, spots[:_BLOCK])
        for start in range(0, len(spots), _BLOCK):
            fields = pending.result()
            if start + _BLOCK < len(spots):
                pending = pool.submit(read, spots[start + _BLOCK : start + 2 * _BLOCK])
            yield spots[start : start + _BLOCK], fields


def _fields(images: np.ndarray, encoder: ImageEncoder, size_um: float) -> np.ndarray:
    """The middle of images ``(B, h, w, 3)`` that the encoder looks at, ``(B, field_px, field_px, 3)``."""
    from molf_engine.slides.overview import resample

    height, width = images.shape[1:3]
    share = encoder.field_um / size_um
    # Of the same nominal size: the pixels as they are, as whoever cut them meant.
    share = 1.0 if abs(share - 1) <= _SLACK else share
    if share == 1.0 and (height, width) == (encoder.field_px, encoder.field_px):
        return images
    margin = (1 - share) / 2
    box = (width * margin, height * margin, width * (1 - margin), height * (1 - margin))
    return np.stack([resample(image, box, encoder.field_px, encoder.field_px) for image in images])


def _view(images: PatchImages, patches: Patches, encoder: ImageEncoder) -> View:
    from molf_engine.slides.fingerprint import file_fingerprint

    return View(
        slide=file_fingerprint(images.path),
        encoder=f"{encoder.name} on images of {images.size_um:.2f} um",
        field_um=encoder.field_um,
        field_px=encoder.field_px,
        um_per_pixel=patches.um_per_pixel,
        width=encoder.width,
    )


def _keep(cache: FeatureCache, view: View, centres: np.ndarray, features: np.ndarray) -> FeatureCache | None:
    try:
        cache.add(view, centres, features)
    except (MolfError, OSError) as error:
        logger.warning("Features are not kept for the next run: %s", error)
        return None
    return cache


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(value.decode() if isinstance(value, bytes) else str(value) for value in np.ravel(values).tolist())


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    # What h5py raises on a damaged file, on opening it or while it is read.
    except (OSError, KeyError, RuntimeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as HDF5 ({error}). It is damaged: get it again.") from error
