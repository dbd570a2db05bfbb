"""The rivals that MoLF is measured against.

Three look at one patch at a time (:data:`RIVALS`), share two calls with MoLF, ``fit`` and ``predict``, and are kept in its bundles;
their prediction needs numpy alone.  Behind the calls of :class:`SlideRival`, which sees whole sections, stand these three and
three of the published models that MoLF is compared with (:data:`SLIDE_RIVALS`), written anew and at a size for a CPU.
"""

from __future__ import annotations

from collections.abc import Callable

from molf_engine.baselines import row_rival
from molf_engine.baselines.depth import DepthOnly
from molf_engine.baselines.mlp import MLP
from molf_engine.baselines.ridge import Ridge
from molf_engine.baselines.rival import Rival, total_counts
from molf_engine.baselines.whole_slide import Prediction, RivalSlide, SlideRival

RIVALS: dict[str, type[Rival]] = {Ridge.name: Ridge, MLP.name: MLP, DepthOnly.name: DepthOnly}
"""Every rival that looks at one patch at a time, by its name."""


def _stflow() -> SlideRival:
    from molf_engine.baselines.stflow import STFlow

    return STFlow()


def _stem() -> SlideRival:
    from molf_engine.baselines.stem import STEM

    return STEM()


def _stpath() -> SlideRival:
    from molf_engine.baselines.stpath import STPath

    return STPath()


SLIDE_RIVALS: dict[str, Callable[[], SlideRival]] = {
    "ridge": row_rival.ridge,
    "mlp": row_rival.mlp,
    "depth": row_rival.depth,
    "stflow": _stflow,
    "stem": _stem,
    "stpath": _stpath,
}
"""Makes every rival of the benchmark, not yet fitted, by its name; torch is loaded when one that needs it is made."""

__all__ = [
    "MLP",
    "RIVALS",
    "SLIDE_RIVALS",
    "DepthOnly",
    "Prediction",
    "Ridge",
    "Rival",
    "RivalSlide",
    "SlideRival",
    "total_counts",
]
