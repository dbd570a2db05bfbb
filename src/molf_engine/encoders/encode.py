"""From a slide and its patches to features ``(P, D)``: read, encode, keep.

Images are read ahead by a few threads while a batch is encoded, and another thread writes the cache, so that a slide is
encoded about as fast as images in memory are (``benchmarks/encoding.py``).  Batches are sized by time, so that Cancel is
heard within a second whatever the speed; a feature does not depend on its batch.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.encoders.cache import FeatureCache, View
from molf_engine.encoders.protocol import ImageEncoder, usable_cores
from molf_engine.errors import MissingScaleError, MolfError, SlideError
from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from molf_engine.slides import Patches, Slide

BatchCallback = Callable[[np.ndarray, np.ndarray], None]

READING = "Reading cache"
ENCODING = "Encoding patches"
_BATCH_SECONDS = 0.3
_KEEP_SECONDS = 2.0
_HEARTBEAT_SECONDS = 0.2
_MOST_READERS = 8
_READ_AT_ONCE = 8  # a task for each image would cost a tenth of what reading one from memory does
_log = logging.getLogger(__name__)


def encode_patches(
    slide: Slide,
    patches: Patches,
    encoder: ImageEncoder,
    *,
    cache: FeatureCache | None = None,
    progress: ProgressCallback = silent,
    on_batch: BatchCallback | None = None,
    batch_size: int = 64,
    workers: int | None = None,
) -> np.ndarray:
    """Features of the patches of a slide; only those that the cache lacks are read and encoded.

    Parameters
    ----------
    slide, patches, encoder
        What to encode.
    cache
        Where features are looked up and kept; none: nowhere.
    progress
        Told the phase and the number of patches done; it may raise :class:`~molf_engine.errors.Cancelled`, and what was
        encoded until then stays in the cache.
    on_batch
        Called with the rows ``(B,)`` and their features ``(B, D)`` as they are known.
    batch_size
        Most patches encoded at once.  It does not change a feature.
    workers
        Threads that read images; none: one for each core, at most eight.

    Returns
    -------
    ``(P, D)`` float32.  The row of a patch whose image cannot be read (a broken tile) is NaN.

    Raises
    ------
    MissingScaleError
        If the slide does not say how many um a pixel is.
    SlideError
        If not one patch can be read.
    """
    if slide.um_per_pixel is None:
        raise MissingScaleError(f"{slide.path} does not say how many um a pixel is. Give it with --um-per-pixel.")
    total = len(patches)
    features = np.full((total, encoder.width), np.nan, np.float32)
    missing = np.arange(total)
    keeper: _Keeper | None = None
    if cache is not None:
        progress(Progress(READING, 0, total))
        view = _view(slide, encoder)
        known, found = cache.find(view, patches.centres)
        progress(Progress(READING, len(known), total))
        features[known] = found
        missing = np.setdiff1d(missing, known)
        keeper = _Keeper(cache, view)
        if on_batch is not None and len(known):
            on_batch(known, found)
    if not len(missing):
        return features

    encoder = encoder.for_slide(slide)
    done = total - len(missing)
    progress(Progress(ENCODING, done, total))
    broken = 0
    first_failure: Exception | None = None
    batches = _read_batches(
        slide, patches.centres[missing], encoder, batch_size, workers, lambda: progress(Progress(ENCODING, done, total))
    )
    try:
        for rows, images, failure in batches:
            index = missing[rows]
            readable = np.array([image is not None for image in images])
            first_failure = first_failure or failure
            broken += int((~readable).sum())
            if readable.any():
                whole = index[readable]
                features[whole] = encoder.encode(np.stack([image for image in images if image is not None]))
                if keeper is not None:
                    keeper.add(patches.centres[whole], features[whole])
            done += len(index)
            if on_batch is not None:
                on_batch(index, features[index])
            progress(Progress(ENCODING, done, total))
    finally:
        batches.close()
        if keeper is not None:
            keeper.flush()
    if broken == total:
        raise SlideError(
            f"{slide.path}: not one of {total} patches can be read ({first_failure}). The file is damaged."
        )
    if broken:
        _log.warning(
            "%s: %d of %d patches cannot be read and have no features (%s)", slide.path, broken, total, first_failure
        )
    return features


def _view(slide: Slide, encoder: ImageEncoder) -> View:
    from molf_engine.slides import fingerprint

    assert slide.um_per_pixel is not None
    return View(
        slide=fingerprint(slide),
        encoder=encoder.name,
        field_um=encoder.field_um,
        field_px=encoder.field_px,
        um_per_pixel=slide.um_per_pixel,
        width=encoder.width,
    )


class _Keeper:
    """Gathers encoded batches and writes them every two seconds, so that a killed run loses no more.

    A thread of its own writes: the encoder never waits for the disk.  Features that cannot be kept (a full disk) are no
    reason to stop: it is said once, and the run goes on without.
    """

    def __init__(self, cache: FeatureCache, view: View) -> None:
        self._cache: FeatureCache | None = cache
        self._view = view
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []
        self._began = time.monotonic()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="keep-features")
        self._writing: Future[None] | None = None

    def add(self, centres: np.ndarray, features: np.ndarray) -> None:
        self._parts.append((centres, features))
        free = self._writing is None or self._writing.done()
        if free and time.monotonic() - self._began >= _KEEP_SECONDS:
            self._writing = self._pool.submit(self._write, self._parts, last=False)
            self._parts, self._began = [], time.monotonic()

    def flush(self) -> None:
        """Write what is left and wait for it."""
        with self._pool as pool:
            pool.submit(self._write, self._parts, last=True).result()

    def _write(self, parts: list[tuple[np.ndarray, np.ndarray]], *, last: bool) -> None:
        try:
            if self._cache is not None and parts:
                centres, features = (np.concatenate(part) for part in zip(*parts, strict=True))
                self._cache.add(self._view, centres, features)
            if self._cache is not None and last:
                self._cache.tidy(self._view)
        except (MolfError, OSError) as error:
            _log.warning("Features are not kept for the next run: %s", error)
            self._cache = None


_Batch = tuple[np.ndarray, list[np.ndarray | None], Exception | None]
_Image = tuple[np.ndarray | None, Exception | None]


def _read_batches(
    slide: Slide,
    centres: np.ndarray,
    encoder: ImageEncoder,
    batch_size: int,
    workers: int | None,
    heartbeat: Callable[[], None],
) -> Generator[_Batch, None, None]:
    """Yield rows, their images (none where unreadable) and the first failure; ``heartbeat`` is called while waiting."""
    threads = workers or min(_MOST_READERS, usable_cores())
    at_once = min(_READ_AT_ONCE, batch_size)
    ahead = -(-2 * max(batch_size, threads) // at_once)
    pending: deque[Future[list[_Image]]] = deque()
    read: deque[_Image] = deque()
    submitted = start = 0
    size = min(8, batch_size)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="read-patch")
    try:
        while start < len(centres):
            while submitted < len(centres) and len(pending) < ahead:
                pending.append(pool.submit(_read_images, slide, centres[submitted : submitted + at_once], encoder))
                submitted += at_once
            rows = np.arange(start, min(start + size, len(centres)))
            began = time.monotonic()
            while len(read) < len(rows):
                read.extend(_wait(pending.popleft(), heartbeat))
            images, failures = zip(*(read.popleft() for _ in rows), strict=True)
            yield rows, list(images), next((failure for failure in failures if failure is not None), None)
            seconds = (time.monotonic() - began) / len(rows)
            size = int(np.clip(_BATCH_SECONDS / max(seconds, 1e-6), 1, batch_size))
            start += len(rows)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read_images(slide: Slide, centres: np.ndarray, encoder: ImageEncoder) -> list[_Image]:
    """Image or failure of each of a few patches."""
    from molf_engine.slides import read_patch

    images: list[_Image] = []
    for centre in centres:
        try:
            images.append((read_patch(slide, centre, encoder.field_um, encoder.field_px), None))
        except (SlideError, OSError) as error:
            images.append((None, error))
    return images


def _wait(future: Future[list[_Image]], heartbeat: Callable[[], None]) -> list[_Image]:
    while True:
        try:
            return future.result(timeout=_HEARTBEAT_SECONDS)
        except TimeoutError:
            heartbeat()
