"""What a result depends on besides its slide, and how two results are told apart by it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molf_engine.cohort.slides import SlideTask
from molf_engine.prediction.contract import SCHEMA_VERSION

if TYPE_CHECKING:
    from molf_engine.bundle import Bundle
    from molf_engine.bundle.latents import Precision
    from molf_engine.prediction.predict import Estimation

_PART = 2**20


@dataclass(frozen=True)
class Settings:
    """Settings that all slides of a command share.

    Attributes
    ----------
    model : str
        Name or folder of the bundle, as every worker finds it.
    guidance : float or None
        Guidance scale; none: the bundle's choice.
    stride_um : float or None
        Distance between patches; none: their side.
    estimation : Estimation or None
        See :class:`molf_engine.prediction.predict.Estimation`; none: the mean.
    precision : str
        `float32` or `bfloat16`.
    """

    model: str
    guidance: float | None = None
    stride_um: float | None = None
    estimation: Estimation | None = None
    precision: Precision = "float32"


@dataclass(frozen=True)
class Assignment:
    """A slide to predict, and everything its result depends on.

    Attributes
    ----------
    task : SlideTask
        The slide.
    options : dict
        Plain values, as the state file shows them.
    death : str
        How the worker that had it before died; empty: nobody had it, or nobody knows.
    """

    task: SlideTask
    options: Mapping[str, Any] = field(hash=False)
    death: str = ""

    @property
    def name(self) -> str:
        """Name of the slide."""
        return self.task.name

    @property
    def digest(self) -> str:
        """Hash of the options: equal if and only if the same slide gives the same result."""
        text = json.dumps(dict(self.options), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def assign(task: SlideTask, settings: Settings, bundle: Bundle) -> Assignment:
    """Write down what the result of ``task`` depends on.

    Raises
    ------
    BundleError
        If the bundle does not know the code.
    """
    from molf_engine.bundle import UNKNOWN_CODE
    from molf_engine.prediction.predict import Estimation

    estimation = settings.estimation or Estimation()
    code = task.code or UNKNOWN_CODE
    bundle.code_index(code)
    return Assignment(
        task,
        {
            "model": bundle.id,
            "weights": bundle.weights_hash,
            "code": code,
            "guidance": bundle.config.guidance if settings.guidance is None else settings.guidance,
            "um_per_pixel": task.um_per_pixel,
            "stride_um": settings.stride_um,
            "positions": file_digest(task.positions),
            "features": file_digest(task.features),
            "estimate": estimation.kind,
            "steps": estimation.step_count,
            "draws": estimation.draws,
            "seed": estimation.seed,
            "guidance_interval": list(estimation.guidance_interval),
            "precision": settings.precision,
            "schema_version": SCHEMA_VERSION,
            # Only where there are any: results of the whole tissue keep the hash that they have always had.
            **({} if task.regions is None else {"regions": file_digest(task.regions)}),
        },
    )


def difference(there: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say in which options two results differ."""
    names = [name for name in now if there.get(name) != now[name] and name != "weights"]
    return ", ".join(f"{name} {there.get(name)} there, {now[name]} now" for name in names)


def file_digest(path: Path | None) -> str | None:
    """Hash of the size, the first and the last MB of a file; a file that cannot be read has its path instead."""
    if path is None:
        return None
    try:
        size = path.stat().st_size
        digest = hashlib.sha256(str(size).encode())
        with path.open("rb") as stream:
            digest.update(stream.read(_PART))
            stream.seek(max(0, size - _PART))
            digest.update(stream.read(_PART))
    except OSError:
        # The slide that needs it fails and says so; the others do not wait for that.
        return f"unreadable: {path}"
    return digest.hexdigest()[:32]
