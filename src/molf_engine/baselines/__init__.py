"""The rivals that MoLF is measured against, fitted on the same rows and kept in the same bundle.

They share two calls with MoLF, ``fit`` and ``predict``; prediction needs numpy alone.
"""

from molf_engine.baselines.depth import DepthOnly
from molf_engine.baselines.mlp import MLP
from molf_engine.baselines.ridge import Ridge
from molf_engine.baselines.rival import Rival, total_counts

RIVALS: dict[str, type[Rival]] = {Ridge.name: Ridge, MLP.name: MLP, DepthOnly.name: DepthOnly}
"""Every rival by its name."""

__all__ = ["MLP", "RIVALS", "DepthOnly", "Ridge", "Rival", "total_counts"]
