"""Scores of one fold of benchmarks/ablation.py: what each trained network, its draws and guidance scales, and the rivals reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from molf_engine.config import RunConfig

SCALES = (0.0, 1.5, 2.0, 3.0)
DRAWS = ((1, 16), (8, 16), (32, 16), (1, 2), (8, 2))
"""Number of draws, Euler steps of each."""


@dataclass
class Judge:
    """Scores of one fold."""

    statistics: pd.DataFrame
    rivals: dict[str, Any]
    test: Sequence[Any]
    units: str
    fold: str
    seed: int

    def rivals_rows(self) -> list[dict[str, Any]]:
        """Ridge, MLP and depth alone."""
        from molf_engine.baselines import total_counts
        from molf_engine.genes import convert_units

        rows = []
        for slide in self.test:
            features = slide.features.numpy()
            for name in ("ridge", "mlp"):
                rival = self.rivals[name]
                values, total = rival.predict(features), total_counts(rival, features)
                predicted = {u: convert_units(values, total, self.units, u) for u in ("log1p", "log1p-cp10k")}
                rows += self._score(name, slide, predicted)
            depth = {u: self.rivals[f"depth.{u}"].predict(features) for u in ("log1p", "log1p-cp10k")}
            rows += self._score("depth", slide, depth)
        return rows

    def network_rows(self, name: str, config: RunConfig, networks: Any, extra: bool) -> list[dict[str, Any]]:
        """The conditional mean at w = 1, the oracle ceiling, and, with ``extra``, draws and other guidance scales."""
        from molf_engine.bundle.decoder import LatentDecoder
        from molf_engine.bundle.latents import sample_latents, slide_latents
        from molf_engine.bundle.networks import state_arrays
        from molf_engine.flow.guidance import guide

        decoder = LatentDecoder(
            state_arrays(networks.vae, "vae"),
            self.statistics["measured"].to_numpy(),
            depth=config.data.units == "log1p-cp10k",
            standardise=config.vae.standardise,
        )
        rows = []
        for slide in self.test:
            features, at = slide.features.numpy(), slide.positions.numpy()
            latents = slide_latents(networks.field, features, at, slide.code)

            def decoded(ends: Sequence[np.ndarray], slide: Any = slide) -> dict[str, np.ndarray]:
                return self._decoded(decoder, config.data.units, slide, ends)

            rows += self._score(name, slide, decoded([latents.conditional]))
            if not extra:
                continue
            rows += self._score(
                "oracle: decode(encode(x)) of the section itself", slide, self._oracle(config, networks, decoder, slide)
            )
            for scale in SCALES:
                end = guide(latents.conditional, latents.unconditional, np.float32(scale))
                rows += self._score(f"ours, w = {scale:g}", slide, decoded([end]))
            for draws, steps in DRAWS:
                ends = sample_latents(
                    networks.field, features, at, slide.code, guidance=1.0, steps=steps, seed=self.seed, draws=draws
                )
                what = "released (2 steps)" if steps == 2 else f"sample ({steps} steps)"
                plural = "s" if draws > 1 else ""
                rows += self._score(f"ours, {what}, mean of {draws} draw{plural}", slide, decoded(ends))
        return rows

    def _decoded(self, decoder: Any, units: str, slide: Any, ends: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        from molf_engine.baselines import total_counts
        from molf_engine.genes import convert_units

        values, totals = [], []
        for end in ends:
            hidden = decoder.hidden(end)
            values.append(decoder.columns(hidden))
            if decoder.has_depth:
                totals.append(decoder.total(hidden))
        depth = self.rivals[f"depth.{units}"]
        total = np.mean(totals, axis=0) if totals else total_counts(depth, slide.features.numpy())
        mean = np.mean(values, axis=0)
        return {u: convert_units(mean, total, units, u) for u in ("log1p", "log1p-cp10k")}

    def _oracle(self, config: RunConfig, networks: Any, decoder: Any, slide: Any) -> dict[str, np.ndarray]:
        import torch

        from molf_engine.training.slides import make_targets

        targets, measured = make_targets(slide.expression, config.data.units, decoder.has_depth)
        with torch.no_grad():
            mean, _ = networks.vae.encode(targets, measured.expand_as(targets), slide.positions)
        return self._decoded(decoder, config.data.units, slide, [mean.numpy()])

    def _score(self, name: str, slide: Any, predicted: dict[str, np.ndarray]) -> list[dict[str, Any]]:
        from molf_engine.evaluation.metrics import mean_finite, pcc

        rows = []
        for units, values in predicted.items():
            scores = pcc(values, slide.expression.in_units(units), slide.expression.measured)
            spread = self.statistics[f"sd_{units}"].where(self.statistics["measured"], -np.inf).to_numpy()
            for genes, index in (
                ("HVG-50", np.argsort(-spread, kind="stable")[:50]),
                ("panel", np.arange(len(scores))),
            ):
                rows.append(
                    {
                        "fold": self.fold,
                        "seed": self.seed,
                        "what": name,
                        "section": slide.id,
                        "spots": len(slide.expression),
                        "units": units,
                        "genes": genes,
                        "pcc": mean_finite(scores[index]),
                    }
                )
        return rows
