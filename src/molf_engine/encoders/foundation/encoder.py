"""A foundation encoder: 224 px of tissue in, the class token (and more) of a vision transformer out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from molf_engine.encoders.foundation.networks import Features, build_network
from molf_engine.encoders.foundation.table import FoundationSpec
from molf_engine.encoders.foundation.weights import digest_of, read_weights
from molf_engine.errors import BundleError, ConfigError, DataError

if TYPE_CHECKING:
    import torch

    from molf_engine.slides import Slide

Precision = Literal["float32", "bfloat16", "float16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "float16")
KIND = "foundation"
SETTINGS = "encoder.json"
_AT_ONCE = 64  # images; more do not make a GPU faster, and would need its memory


@dataclass(frozen=True, eq=False)
class FoundationEncoder:
    """A pretrained vision transformer as an encoder.

    Make one with :func:`~molf_engine.encoders.open_encoder` or :func:`~molf_engine.encoders.load_encoder`.  The network is
    read when it is first needed.

    Attributes
    ----------
    spec : FoundationSpec
        What it is shown and gives.
    folder : Path
        Where its weights are.
    device : str
        Where it runs: `cpu`, `cuda`, `cuda:1`, `mps`.
    precision : str
        `float32`, or that of matrix products under autocast.  Part of the identity, as it changes features.
    expected : str, optional
        Name that the weights must turn out to have, where something was made with them before.
    """

    spec: FoundationSpec
    folder: Path
    device: str = "cpu"
    precision: Precision = "float32"
    expected: str | None = None

    @property
    def name(self) -> str:
        """Identity: the id, the precision unless it is float32, and a hash of the weights and of how they are used."""
        return self.expected or self._loaded[0]

    @property
    def width(self) -> int:
        """D, the length of a feature vector."""
        return self.spec.width

    @property
    def field_um(self) -> float:
        """Side of the square of tissue shown, in um."""
        return self.spec.field_um

    @property
    def field_px(self) -> int:
        """Side of the image, in pixels."""
        return self.spec.px

    def for_slide(self, slide: Slide) -> FoundationEncoder:
        """Return itself: nothing about a slide is measured."""
        return self

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Encode ``(B, n, n, 3)`` uint8 RGB images as ``(B, D)`` float32 features.

        Images of another side than ``field_px`` are resized.  A feature depends on the batch only by the rounding of
        float32 (about 1e-6 of its size), or of the chosen precision.

        Raises
        ------
        BundleError
            If the weights are missing, damaged, or others than those that were expected.
        DataError
            If a feature is not finite.
        """
        import torch

        features = self._loaded[1]
        parts = []
        with torch.inference_mode(), self._autocast():
            for start in range(0, len(images), _AT_ONCE):
                batch = torch.from_numpy(np.ascontiguousarray(images[start : start + _AT_ONCE])).to(self.device)
                parts.append(features(as_input(batch, self.spec)).float().cpu())
        values: np.ndarray = torch.cat(parts).numpy() if parts else np.empty((0, self.width), np.float32)
        if not np.isfinite(values).all():
            raise DataError(
                f"{self.spec.id} gives features that are not finite at precision {self.precision}."
                " Use float32, or get its weights again."
            )
        return values

    def save(self, folder: Path) -> None:
        """Write ``encoder.json``, which names the model and never holds its weights: most may not be passed on."""
        settings = {
            "kind": KIND,
            "name": self.name,
            "id": self.spec.id,
            "hub": self.spec.hub,
            "folder": None if self.spec.hub else str(self.folder),
            "precision": self.precision,
            "width": self.width,
            "field_um": self.field_um,
            "field_px": self.field_px,
            "licence": self.spec.licence,
        }
        (folder / SETTINGS).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")

    def load(self) -> FoundationEncoder:
        """Read the network now rather than when it is first needed, and return this encoder.

        Raises
        ------
        MolfError
            If the library is missing, or the weights are missing, damaged or others than expected.
        """
        self._loaded  # noqa: B018
        return self

    def _autocast(self) -> Any:
        import torch

        kind = self.device.partition(":")[0]
        dtype = None if self.precision == "float32" else getattr(torch, self.precision)
        return torch.autocast(kind, dtype=dtype, enabled=dtype is not None)

    @cached_property
    def _loaded(self) -> tuple[str, Features]:
        weights = read_weights(self.folder)
        name = self._name_of(digest_of(weights))
        if self.expected is not None and name != self.expected:
            raise BundleError(
                f"{self.folder} holds {name}, but {self.expected} is needed: other weights, or used otherwise. Get the"
                " files that the model was trained with."
            )
        network, features = build_network(self.spec, weights, self.folder)
        network.to(self.device)
        self._try(features)
        return name, features

    def _try(self, features: Features) -> None:
        """Encode one blank image, so that what does not fit together is found before a slide is read."""
        import torch

        spec = self.spec
        try:
            with torch.inference_mode():
                width = features(torch.zeros(1, 3, spec.px, spec.px, device=self.device)).shape[-1]
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            raise BundleError(f"{self.folder}: {spec.id} cannot encode {spec.px} px images ({error}).") from error
        if width != spec.width:
            raise BundleError(
                f"{self.folder} gives {width} features a patch, where {spec.id} has {spec.width}: it is another model."
            )

    def _name_of(self, weights: str) -> str:
        spec = self.spec
        use = (spec.output, spec.prefix_tokens, spec.px, spec.um_per_pixel, spec.mean, spec.sd)
        digest = hashlib.sha256(f"{weights} {use}".encode()).hexdigest()
        precision = "" if self.precision == "float32" else f"-{self.precision}"
        return f"{spec.id}{precision}:{digest[:12]}"


def as_input(images: torch.Tensor, spec: FoundationSpec) -> torch.Tensor:
    """Images ``(B, n, n, 3)`` uint8 as ``(B, 3, px, px)`` float32, normalised; resized (antialiased) where n is not px."""
    import torch

    values = images.permute(0, 3, 1, 2).to(torch.float32) / 255
    if values.shape[-2:] != (spec.px, spec.px):
        values = torch.nn.functional.interpolate(values, (spec.px, spec.px), mode="bicubic", antialias=True)
        values = values.clamp(0, 1)
    mean, sd = (torch.tensor(three, device=values.device).view(3, 1, 1) for three in (spec.mean, spec.sd))
    return (values - mean) / sd


def choose_device(wanted: str = "auto") -> str:
    """Device to run on; `auto`: the first of cuda, mps and cpu that this machine has.

    Raises
    ------
    ConfigError
        If the wanted one is unknown or not there.
    """
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    kind, _, number = wanted.partition(":")
    counted = not number or (kind == "cuda" and number.isdigit() and int(number) < torch.cuda.device_count())
    if not there.get(kind, False) or not counted:
        usable = ", ".join(kind for kind, usable in there.items() if usable)
        raise ConfigError(f"The device {wanted!r} is not on this machine. There is: {usable}.")
    return wanted
