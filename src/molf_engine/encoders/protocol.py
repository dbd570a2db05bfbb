"""What an encoder is: an image of tissue goes in, one feature vector comes out.

An encoder names the field of tissue it is shown and the size of the image it is given; who reads images from a slide
(:mod:`molf_engine.encoders.encode`) asks for exactly that.  Its ``name`` is its identity: two encoders that give
different features have different names, because features are cached under the name and a trained model is bound to
it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from molf_engine.slides import Slide


@runtime_checkable
class ImageEncoder(Protocol):
    """Turns images of tissue into feature vectors."""

    @property
    def name(self) -> str:
        """Identity, for example ``builtin-texture-v1:0123456789ab``; the last part is a hash of the weights."""

    @property
    def width(self) -> int:
        """D, the length of a feature vector."""

    @property
    def field_um(self) -> float:
        """Side of the square of tissue shown to the encoder, in um; may be larger than the patch (context)."""

    @property
    def field_px(self) -> int:
        """Side of the image given to the encoder, in pixels."""

    def for_slide(self, slide: Slide) -> ImageEncoder:
        """Return the encoder to use on this slide: itself, or itself with the slide's own white level.

        The result depends on the slide alone, never on which of its patches are encoded.
        """

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Encode ``(B, field_px, field_px, 3)`` uint8 RGB images as ``(B, D)`` float32 features.

        The feature of an image does not depend on the other images of the batch.
        """


@runtime_checkable
class Encoder(ImageEncoder, Protocol):
    """An encoder that can be stored, as a part of a trained model."""

    def for_slide(self, slide: Slide) -> Encoder:
        """Return the encoder to use on this slide; see :class:`ImageEncoder`."""

    def save(self, folder: Path) -> None:
        """Write what :func:`~molf_engine.encoders.load_encoder` reads into an existing folder."""


def usable_cores() -> int:
    """How many cores this process may use; on a cluster, fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
