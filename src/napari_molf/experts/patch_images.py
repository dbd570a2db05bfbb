"""Images of single patches, cut from the slide, or from the small picture in the prediction where the slide is gone.  No Qt."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

from napari_molf.core.saved import open_slide_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from molf_engine.slides import Slide
    from napari_molf.core.run import Run

SIZE_PX = 224
"""Side of an image: what the largest size in the gallery shows."""
KEPT = 256
"""Images kept: 38 MB at most."""


class PatchImages:
    """Cuts patches of one prediction; for a thread beside the window's.

    Parameters
    ----------
    run
        Whose patches.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._slide: Slide | None = None
        self._opened = self._closed = False
        self._kept: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self.note: str | None = None
        """Why the images are not what they could be; known once one was read."""

    def kept(self, patch: int) -> NDArray[np.uint8] | None:
        """The image of a patch, if it has been read lately; quick."""
        return self._kept.get(patch)

    def read(self, patch: int) -> NDArray[np.uint8]:
        """(:data:`SIZE_PX`, :data:`SIZE_PX`, 3) image of a patch; slow.

        Raises
        ------
        SlideError
            If that part of the slide is damaged.
        """
        with self._lock:
            if not self._opened and not self._closed:
                self._open()
            image = self._from_picture(patch) if self._slide is None else self._from_slide(self._slide, patch)
            self._kept[patch] = image
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return image

    def close(self) -> None:
        """Let go of the slide file; waits for an image that is being read."""
        with self._lock:
            self._closed = True
            if self._slide is not None:
                self._slide.close()
                self._slide = None

    def _open(self) -> None:
        self._opened = True
        self._slide = open_slide_of(self._run)
        if self._slide is None:
            self.note = (
                f"The slide is not at {self._run.slide_path} any more, or is another one. These images are cut from the small picture "
                "in the prediction; put the slide back there to see cells."
            )

    def _from_slide(self, slide: Slide, patch: int) -> NDArray[np.uint8]:
        from molf_engine.slides import read_patch

        size_um = self._run.patches.size_px * self._run.patches.pixel_size
        return read_patch(slide, self._centre(patch), size_um, SIZE_PX)

    def _from_picture(self, patch: int) -> NDArray[np.uint8]:
        from molf_engine.slides.overview import resample

        entry = self._run.scores.adata.uns["spatial"][self._run.slide_name]
        picture = np.asarray(entry["images"]["hires"])[..., :3]
        scale = float(entry["scalefactors"]["tissue_hires_scalef"])
        x, y = self._centre(patch) * scale
        half = self._run.patches.size_px * scale / 2
        # What resample looks at must be there: a patch may stand over the edge of the slide.
        margin = int(np.ceil(half)) + 2
        padded = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), constant_values=255)
        left, top = int(np.floor(x - half)) - 1, int(np.floor(y - half)) - 1
        extent = int(np.ceil(2 * half)) + 3
        part = padded[top + margin : top + margin + extent, left + margin : left + margin + extent]
        box = (x - half - left, y - half - top, x + half - left, y + half - top)
        return resample(np.ascontiguousarray(part), box, SIZE_PX, SIZE_PX)

    def _centre(self, patch: int) -> NDArray[np.float64]:
        return np.asarray(self._run.scores.adata.obsm["spatial"][patch], np.float64)
