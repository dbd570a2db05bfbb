"""The oracle ceiling: how well decode(encode(x)) of a section's own measurement correlates with it.

That much the latent space keeps of a measurement; the gap to what the model predicts is what the image does not tell.  It is a ceiling in
practice, not by proof: an encoder that is badly trained may be beaten by a prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.bundle import Bundle
from molf_engine.evaluation.metrics import mean_finite, pcc
from molf_engine.evaluation.scoring import HVG, SectionScores
from molf_engine.files import atomic_path
from molf_engine.genes.hallmark import hallmark_sets
from molf_engine.training.slides import TrainingSlide

if TYPE_CHECKING:
    import pandas as pd

SMALLEST_SET = 10
"""Hallmark sets with fewer measured genes are left out."""


def oracle_table(bundle: Bundle, slides: Sequence[TrainingSlide], scores: Sequence[SectionScores]) -> pd.DataFrame:
    """Ceiling, MoLF and ridge for each section and gene set, in the bundle's units.

    Parameters
    ----------
    bundle : Bundle
        As it was written.
    slides : sequence of TrainingSlide
        Sections that no weight was fitted on.
    scores : sequence of SectionScores
        Of the same sections.

    Returns
    -------
    DataFrame
        Columns ``section``, ``genes`` (`panel`, `HVG-50` or a Hallmark set), ``n_genes``, ``oracle``, ``molf``, ``ridge``: mean PCC.
    """
    import pandas as pd

    units, sets = bundle.config.units, gene_sets(bundle)
    rows = []
    for slide, score in zip(slides, scores, strict=True):
        models = {"oracle": ceiling(bundle, slide), **{name: score.pcc[name][units] for name in ("molf", "ridge")}}
        for name, index in sets.items():
            known = index[np.all([np.isfinite(values[index]) for values in models.values()], axis=0)]
            if len(known) >= SMALLEST_SET:
                means = {model: mean_finite(values[known]) for model, values in models.items()}
                rows.append({"section": slide.id, "genes": name, "n_genes": len(known), **means})
    return pd.DataFrame(rows, columns=["section", "genes", "n_genes", "oracle", "molf", "ridge"])


def ceiling(bundle: Bundle, slide: TrainingSlide) -> np.ndarray:
    """PCC of decode(encode(x)) with x for each gene, (G,); NaN where it was not measured or does not vary."""
    import torch

    with torch.no_grad():
        mean, _ = bundle.vae().encode(slide.targets, slide.measured.expand_as(slide.targets), slide.positions)
    measured = slide.expression.in_units(bundle.config.units)
    return pcc(bundle.decoder().expression(mean.numpy()), measured, slide.expression.measured)


def gene_sets(bundle: Bundle) -> dict[str, np.ndarray]:
    """Panel positions of `panel`, `HVG-50` (by training sd) and every Hallmark set."""
    genes = bundle.genes
    place = {symbol: at for at, symbol in enumerate(genes.index)}
    spread = genes["sd"].where(genes["measured"], -np.inf).to_numpy()
    sets = {"panel": np.arange(len(genes)), f"HVG-{HVG}": np.argsort(-spread, kind="stable")[:HVG]}
    members = {name: [place[gene] for gene in part if gene in place] for name, part in hallmark_sets().items()}
    return {**sets, **{name: np.array(part, dtype=int) for name, part in members.items()}}


def write_oracle(path: Path, table: pd.DataFrame) -> None:
    """The table as CSV."""
    with atomic_path(path) as beside:
        table.to_csv(beside, index=False, float_format="%.4f")


def draw_oracle(path: Path, table: pd.DataFrame) -> None:
    """Ceiling and model side by side for each gene set, mean over sections, as one PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    means = table.groupby("genes")[["oracle", "molf", "ridge"]].mean().sort_values("oracle")
    figure = Figure(figsize=(7, 0.9 + 0.19 * len(means)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    at = np.arange(len(means))
    axes.hlines(at, means["molf"], means["oracle"], color="0.8", linewidth=2, zorder=1)
    marks = (("oracle", "o", "decode(encode(x)): the ceiling"), ("molf", "D", "MoLF"), ("ridge", "|", "ridge"))
    for name, mark, label in marks:
        axes.scatter(means[name], at, marker=mark, s=28, label=label, zorder=3)
    labels = [name if name in ("panel", f"HVG-{HVG}") else name.replace("_", " ").lower() for name in means.index]
    axes.set_yticks(at, labels, fontsize=7)
    sections = ", ".join(dict.fromkeys(table["section"]))
    axes.set(xlabel=f"mean PCC over genes ({sections})", ylim=(-0.7, len(means) - 0.3))
    axes.legend(fontsize=8, loc="lower right")
    with atomic_path(path) as beside:
        figure.savefig(beside, dpi=120)
