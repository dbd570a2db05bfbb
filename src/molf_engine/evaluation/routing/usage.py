"""Expert use per cancer type (paper, Table 4): share of the top-k assignments that each expert gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from molf_engine.evaluation.report import Estimate
from molf_engine.evaluation.routing.divergence import entropy
from molf_engine.evaluation.routing.observe import RoutedSection, best_experts

if TYPE_CHECKING:
    import pandas as pd

ALL_TYPES = "mean of types"
Told = Literal["own", "unknown"]
"""Cancer code that the gate was given: each section's own, or `Unknown` for all."""


@dataclass(frozen=True)
class SectionUse:
    """Expert use of one section."""

    section: str
    type: str
    patient: str
    role: str
    told: str
    spots: int
    shares: np.ndarray
    """``(E,)`` share of the top-k assignments; sums to 1."""
    first: np.ndarray
    """``(E,)`` share of the spots whose best expert this is; sums to 1."""
    balance: float
    """Load-balancing loss (released form) over its optimum: 1 is even use, E / k is one set of experts for all."""
    noise_agreement: float
    """Share of spots whose first expert is the same from noise, as in the released analysis."""


def section_use(routed: RoutedSection, told: Told = "own") -> SectionUse | None:
    """Count the assignments of a section; none if the model has not learned the code `Unknown` that ``told`` asks for."""
    logits = routed.require_logits() if told == "own" else routed.nameless
    if logits is None:
        return None
    chosen, experts = best_experts(logits, routed.active), logits.shape[1]
    counts = np.bincount(chosen.ravel(), minlength=experts)
    first = np.bincount(chosen[:, 0], minlength=experts)
    agreement = float("nan") if routed.from_noise is None else float((chosen[:, 0] == routed.from_noise).mean())
    return SectionUse(
        routed.id,
        routed.type,
        routed.patient,
        routed.role,
        routed.told,
        len(routed),
        counts / counts.sum(),
        first / first.sum(),
        balance_ratio(logits, counts / len(logits), routed.active),
        agreement,
    )


def balance_ratio(logits: np.ndarray, load: np.ndarray, active: int) -> float:
    """Load-balancing loss in the released form, E sum_i f_i P_i, over its value at even use, k.

    Parameters
    ----------
    logits : ndarray
        (P, E).
    load : ndarray
        (E,) share of the patches that use each expert; sums to k.
    active : int
        k.
    """
    logits = logits.astype(np.float64)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability = (weights / weights.sum(axis=1, keepdims=True)).mean(axis=0)
    return float(len(load) * (probability * load).sum() / active)


def effective_experts(shares: np.ndarray) -> float:
    """Number of evenly used experts with the same entropy, exp(H): 1 to E."""
    return float(2 ** entropy(np.asarray(shares)))


def type_shares(uses: Sequence[SectionUse]) -> dict[str, np.ndarray]:
    """Mean share of each expert over the sections of a type, every section counting once; types in order of name."""
    return {name: np.mean([use.shares for use in of_type], axis=0) for name, of_type in by_type(uses).items()}


def by_type(uses: Sequence[SectionUse]) -> dict[str, list[SectionUse]]:
    """Sections of each cancer type, types in order of name."""
    return {name: [use for use in uses if use.type == name] for name in sorted({use.type for use in uses})}


def use_by_section(uses: Sequence[SectionUse], experts: Sequence[str]) -> pd.DataFrame:
    """One row per section."""
    import pandas as pd

    return pd.DataFrame(
        {
            "section": use.section,
            "type": use.type,
            "patient": use.patient,
            "role": use.role,
            "code given": use.told,
            "spots": use.spots,
            **dict(zip(experts, use.shares.tolist(), strict=True)),
            "effective experts": effective_experts(use.shares),
            "balance / optimum": use.balance,
            "same expert from noise %": 100 * use.noise_agreement,
        }
        for use in uses
    )


def use_by_type(uses: Sequence[SectionUse], experts: Sequence[str]) -> pd.DataFrame:
    """Mean ± sd over the sections of each cancer type (paper, Table 4), and the mean over types, each type counting once."""
    import pandas as pd

    groups = by_type(uses)
    rows = [_row(name, of_type, [use.shares for use in of_type], experts) for name, of_type in groups.items()]
    if len(groups) > 1:
        rows.append(_row(ALL_TYPES, uses, list(type_shares(uses).values()), experts))
    return pd.DataFrame(rows)


def _row(
    name: str, uses: Sequence[SectionUse], shares: Sequence[np.ndarray], experts: Sequence[str]
) -> dict[str, object]:
    mean = np.mean(shares, axis=0)
    sd = np.std(shares, axis=0, ddof=1) if len(shares) > 1 else np.full(len(mean), np.nan)
    return {
        "type": name,
        "sections": len(uses),
        "patients": len({use.patient for use in uses}),
        "spots": sum(use.spots for use in uses),
        **{expert: Estimate(float(m), sd=float(s)) for expert, m, s in zip(experts, mean, sd, strict=True)},
    }


def evenness_by_type(uses: Sequence[SectionUse]) -> pd.DataFrame:
    """How many experts are used in effect, by each type's mean use and by its sections' own, and how balanced that is."""
    import pandas as pd

    return pd.DataFrame(
        {
            "type": name,
            "effective experts": effective_experts(np.mean([use.shares for use in of_type], axis=0)),
            "within a section": float(np.mean([effective_experts(use.shares) for use in of_type])),
            "balance / optimum": float(np.mean([use.balance for use in of_type])),
        }
        for name, of_type in by_type(uses).items()
    )


def in_percent(table: pd.DataFrame, experts: Sequence[str]) -> pd.DataFrame:
    """The same table with the experts' shares in %."""
    percent = table.copy()
    for expert in experts:
        percent[expert] = [
            Estimate(100 * cell.value, sd=100 * cell.sd) if isinstance(cell, Estimate) else 100 * cell
            for cell in table[expert]
        ]
    return percent.rename(columns={expert: f"{expert} %" for expert in experts})


def pooled_by_type(uses: Sequence[SectionUse], experts: Sequence[str]) -> pd.DataFrame:
    """As the released analysis counts: over all spots of a type, so that large sections weigh more."""
    import pandas as pd

    rows = []
    for name, of_type in by_type(uses).items():
        weights = np.array([use.spots for use in of_type], dtype=np.float64)
        shares = weights @ np.array([use.shares for use in of_type]) / weights.sum()
        rows.append(
            {
                "type": name,
                "sections": len(of_type),
                "spots": int(weights.sum()),
                "largest section %": float(100 * weights.max() / weights.sum()),
                **dict(zip(experts, shares.tolist(), strict=True)),
                "effective experts": effective_experts(shares),
            }
        )
    return pd.DataFrame(rows)
