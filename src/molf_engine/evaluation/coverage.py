"""Coverage: how often a measured value lies in the central 80 % of the values that a model draws for it.

A model whose draws spread as the measurements do covers 80 %; one that is too sure of itself covers less.  The draws are taken as
they are: nothing is fitted, widened or added to them.  A draw cannot resemble more of a measurement than its latent holds, so the
same interval is also held against the measurement as the gene VAE reconstructs it: that tells what the flow misses from what the
latent space leaves out, the noise of counting above all.

With ``K`` draws the interval reaches from the ``r``-th smallest to the ``r``-th largest of them.  A further value of the same
distribution falls into each of the ``K + 1`` gaps between draws with equal probability, so the interval holds ``(K + 1 - 2 r) / (K + 1)``
of them: that is the nominal coverage, and with 39 draws (``r`` = 4) it is 80 % exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from molf_engine.bundle import Bundle
from molf_engine.bundle.latents import centred, noise_keys, sample_latents
from molf_engine.data.expression import Expression
from molf_engine.errors import ConfigError
from molf_engine.evaluation.scoring import HVG, TRUTH

if TYPE_CHECKING:
    from molf_engine.nn.velocity import VelocityField

RECONSTRUCTION = "reconstruction"

SHARE = 0.8
DRAWS = 39
STEPS = 16

COLUMNS = (
    "section",
    "role",
    "spots",
    "units",
    "genes",
    "n_genes",
    "nominal",
    "coverage",
    "below",
    "above",
    "positive",
    "width",
)
"""Columns of a printed table; what is the same in every row of it is said by :func:`coverage_text`."""

_BLOCK_VALUES = 8_000_000
# How far from its nominal value a coverage may be and still be called right.
_TOLERANCE = 0.05


@dataclass(frozen=True)
class Coverage:
    """Coverage of one section, scale and gene set: one line of a table."""

    section: str
    role: str
    """What the section was to the model: `training`, `validation`, `test`, or `new`."""
    spots: int
    units: str
    """The model's scale; besides, in the same scale, :data:`RECONSTRUCTION`, and for simulated tissue ``truth``: log1p-cp10k
    without the noise of counting."""
    genes: str
    n_genes: int
    """Genes of the set that the section measured and the model has learned."""
    values: int
    """Spots times genes."""
    positives: int
    """How many of them were measured above 0."""
    draws: int
    steps: int
    guidance: float
    nominal: float
    """Coverage that draws from the true distribution would have."""
    coverage: float
    """Share of the values inside the interval, its ends included."""
    below: float
    above: float
    positive: float
    """Coverage of the values above 0 alone: an interval that begins at 0 holds every measured 0."""
    width: float
    """Mean width of the interval, in ``units``."""


def central_rank(draws: int) -> tuple[int, float]:
    """Rank ``r`` at which the interval of ``draws`` values ends on either side, and its nominal coverage.

    Raises
    ------
    ConfigError
        If there are fewer than two draws.
    """
    if draws < 2:
        raise ConfigError(f"Coverage needs at least 2 draws, not {draws}.")
    rank = max(1, round((1 - SHARE) / 2 * (draws + 1)))
    return rank, (draws + 1 - 2 * rank) / (draws + 1)


def central_interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end of the central interval over the draws, (K, ...) -> (...) twice; see :func:`central_rank`."""
    rank, _ = central_rank(len(values))
    ordered = np.partition(values, (rank - 1, len(values) - rank), axis=0)
    return ordered[rank - 1], ordered[-rank]


def section_coverage(
    bundle: Bundle,
    field: VelocityField,
    features: np.ndarray,
    positions: np.ndarray,
    code: int,
    guidance: float,
    expression: Expression,
    *,
    role: str,
    draws: int = DRAWS,
    steps: int = STEPS,
    seed: int = 0,
    callback: Callable[[int], None] | None = None,
) -> list[Coverage]:
    """Coverage of draws by the estimate `sample` on one section, for the whole panel and for its most variable genes.

    Values are compared in the model's scale, over the genes that the section measured and the model has learned: as measured, as the
    gene VAE reconstructs them and, on simulated tissue, as the expression that the counts were drawn from.

    Parameters
    ----------
    bundle : Bundle
        The trained model.
    field : VelocityField
        Its velocity field, in evaluation mode.
    features : ndarray
        (S, D), of the spots of ``expression``.
    positions : ndarray
        (S, 2), um.
    code : int
        Row of the cancer code.
    guidance : float
        w, over the whole path.
    expression : Expression
        What was measured.
    role : str
        What the section was to the model, see :func:`molf_engine.evaluation.scoring.role_of`.
    draws, steps : int
        Paths from noise, and Euler steps of each.
    seed : int
        Of the noise.
    callback : callable, optional
        Called with the number of finished draws.

    Raises
    ------
    ConfigError
        If there are fewer than two draws.
    """
    _, nominal = central_rank(draws)
    ends = sample_latents(
        field,
        features,
        positions,
        code,
        guidance=guidance,
        steps=steps,
        seed=seed,
        draws=draws,
        keys=noise_keys(expression.positions),
        callback=callback,
    )
    used = np.flatnonzero(expression.measured & bundle.genes["measured"].to_numpy())
    units = bundle.config.units
    measured: dict[str, np.ndarray] = {
        units: expression.in_units(units)[:, used],
        RECONSTRUCTION: _reconstruction(bundle, expression, positions)[:, used],
    }
    if expression.truth is not None and units == "log1p-cp10k":
        measured[TRUTH] = expression.truth[:, used]
    tallies = _tallies(bundle, ends, used, measured)

    spread = bundle.genes["sd"].where(bundle.genes["measured"], -np.inf).to_numpy()
    variable = np.argsort(-spread, kind="stable")[:HVG]
    sets = {"panel": np.ones(len(used), dtype=bool), f"HVG-{HVG}": np.isin(used, variable)}
    return [
        Coverage(
            section=expression.section_id,
            role=role,
            spots=len(expression),
            units=against,
            genes=name,
            n_genes=int(chosen.sum()),
            draws=draws,
            steps=steps,
            guidance=guidance,
            nominal=nominal,
            **tally.shares(chosen, len(expression)),
        )
        for against, tally in tallies.items()
        for name, chosen in sets.items()
    ]


def coverage_records(rows: Sequence[Coverage]) -> list[dict[str, Any]]:
    """Rows as plain dictionaries, figures rounded to 4 decimals, for JSON."""
    return [
        {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(row).items()}
        for row in rows
    ]


def coverage_text(records: Sequence[Mapping[str, Any]]) -> str:
    """What rows of :func:`coverage_records` say, in sentences for a card.

    Values of several sections are pooled; the rows must be of one model, scale, guidance, number of draws and of steps.  Empty if
    there is no row.
    """
    measured = [row for row in records if row["units"] not in (RECONSTRUCTION, TRUTH)]
    panel, variable = _pooled(measured, "panel"), _pooled(measured, f"HVG-{HVG}")
    if not panel["values"]:
        return ""
    first = measured[0]
    also = f" and {_percent(variable['coverage'])} of those of HVG-{HVG}" if variable["values"] else ""
    sentences = [
        f"The central interval of {first['draws']} draws (`--estimate sample`, {first['steps']} steps, w = {first['guidance']:g}) held "
        f"{_percent(panel['coverage'])} of {panel['values']:,} measured values of the panel "
        f"({_percent(panel['below'])} lay below it, {_percent(panel['above'])} above it; of the {panel['positives']:,} values above 0 "
        f"it held {_percent(panel['positive'])}){also}.",
        f"Draws that spread as the measurements do would hold {_percent(first['nominal'])}.",
        _verdict(panel["coverage"], first["nominal"]),
    ]
    for against, what in (
        (RECONSTRUCTION, "the same values as the gene VAE reconstructs them, which is all that a draw can resemble"),
        (TRUTH, "the expected expression that the counts were drawn from, which has no noise of counting"),
    ):
        other = _pooled([row for row in records if row["units"] == against], "panel")
        if other["values"]:
            sentences.append(f"Of {what}, it held {_percent(other['coverage'])}.")
    return " ".join(sentences)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _verdict(coverage: float, nominal: float) -> str:
    if coverage < nominal - _TOLERANCE:
        return (
            "The spread over draws is too narrow: draws differ only in what the latent space holds, without the noise of counting, so "
            "it must not be read as the range in which a measurement will lie."
        )
    if coverage > nominal + _TOLERANCE:
        return (
            "The spread over draws is too wide, or its interval begins at 0 where most of what was measured is 0: compare the coverage "
            "of the values above 0."
        )
    return "The spread over draws is about as wide as that of the measurements on these sections; other tissue was not tested."


def _pooled(records: Sequence[Mapping[str, Any]], genes: str) -> dict[str, Any]:
    """Shares of one gene set over all values of several sections."""
    rows = [row for row in records if row["genes"] == genes]

    def mean(name: str, weight: str) -> float:
        count = sum(row[weight] for row in rows)
        return sum(row[name] * row[weight] for row in rows if row[weight]) / count if count else np.nan

    return {
        "values": sum(row["values"] for row in rows),
        "positives": sum(row["positives"] for row in rows),
        "coverage": mean("coverage", "values"),
        "below": mean("below", "values"),
        "above": mean("above", "values"),
        "positive": mean("positive", "positives"),
    }


class _Tally:
    """Counts of each gene, summed over spots, (G,) each."""

    def __init__(self, genes: int) -> None:
        self.below, self.above, self.positive, self.held, self.width = np.zeros((5, genes))

    def add(self, lower: np.ndarray, upper: np.ndarray, measured: np.ndarray) -> None:
        """Count some spots, (S, G) each."""
        below, above, positive = measured < lower, measured > upper, measured > 0
        self.below += below.sum(axis=0)
        self.above += above.sum(axis=0)
        self.positive += positive.sum(axis=0)
        self.held += (positive & ~below & ~above).sum(axis=0)
        self.width += (upper - lower).sum(axis=0, dtype=np.float64)

    def shares(self, chosen: np.ndarray, spots: int) -> dict[str, Any]:
        """Figures of :class:`Coverage` over the chosen genes (G,) bool; NaN where there is no value."""
        values, positives = spots * int(chosen.sum()), int(self.positive[chosen].sum())
        below, above, width = (
            float(part[chosen].sum() / values) if values else np.nan for part in (self.below, self.above, self.width)
        )
        return {
            "values": values,
            "positives": positives,
            "coverage": 1 - below - above,
            "below": below,
            "above": above,
            "positive": float(self.held[chosen].sum() / positives) if positives else np.nan,
            "width": width,
        }


def _reconstruction(bundle: Bundle, expression: Expression, positions: np.ndarray) -> np.ndarray:
    """What was measured, through the gene VAE's encoder and decoder, (S, G) in the model's units."""
    import torch

    values, mask = expression.in_units(bundle.config.units), expression.measured.astype(np.float32)
    if bundle.config.depth:
        values = np.column_stack([values, np.log1p(expression.total)])
        mask = np.append(mask, np.float32(1))
    with torch.inference_mode():
        mean, _ = bundle.vae().encode(
            torch.from_numpy(values.astype(np.float32)),
            torch.from_numpy(mask),
            torch.from_numpy(centred(positions)),
        )
    return bundle.decoder().expression(mean.numpy())


def _tallies(
    bundle: Bundle, ends: Sequence[np.ndarray], used: np.ndarray, measured: Mapping[str, np.ndarray]
) -> dict[str, _Tally]:
    """Compare the decoded draws, (S, L) each, with what was measured, (S, G), in every scale."""
    decoder = bundle.decoder()
    tallies = {units: _Tally(len(used)) for units in measured}
    # Some spots at a time: all draws of a section would not fit into memory once they are decoded.
    rows = max(1, _BLOCK_VALUES // (len(ends) * max(len(used), 1)))
    for start in range(0, len(ends[0]), rows):
        part = slice(start, start + rows)
        lower, upper = central_interval(np.stack([decoder.columns(decoder.hidden(end[part]), used) for end in ends]))
        for units, values in measured.items():
            tallies[units].add(lower, upper, values[part])
    return tallies
