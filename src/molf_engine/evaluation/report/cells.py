"""Cells of a table: how a value is shown, and how it is written to a CSV file."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

NAN = float("nan")
NOTHING = "–"
"""Where there is no value."""

_MINUS = "\N{MINUS SIGN}"
# Counts below this are read at a glance, and years and seeds look odd with a comma.
_SEPARATED = 10_000


@dataclass(frozen=True)
class Estimate:
    """A figure with what is known of its uncertainty; NaN where unknown."""

    value: float
    sd: float = NAN
    """Over repeats: splits, folds or seeds."""
    low: float = NAN
    """Lower end of an interval."""
    high: float = NAN

    def columns(self) -> dict[str, float]:
        """Parts by the suffix of their CSV column; the value itself has none."""
        return {"": self.value, " sd": self.sd, " low": self.low, " high": self.high}


def is_number(cell: Any) -> bool:
    """Whether a cell is shown as a number, to the right."""
    return isinstance(cell, Estimate | numbers.Number) and not isinstance(cell, bool)


def size(cell: Any) -> float:
    """What a numeric cell is compared by; NaN for others."""
    if isinstance(cell, Estimate):
        return cell.value
    return float(cell) if is_number(cell) else NAN


def as_html(cell: Any, digits: int = 3) -> str:
    """A cell as HTML, escaped.

    Parameters
    ----------
    cell
        Text, number, bool, :class:`Estimate`, or None.
    digits : int
        Decimals of numbers that are not whole by type.
    """
    if isinstance(cell, Estimate):
        return _estimate(cell, digits)
    if isinstance(cell, bool) or type(cell).__name__ == "bool":
        return "yes" if cell else "no"
    return escape(as_text(cell, digits))


def as_text(cell: Any, digits: int = 3) -> str:
    """A number or text in words; a dash for None and NaN."""
    if cell is None or cell != cell:
        return NOTHING
    if isinstance(cell, numbers.Integral):
        return f"{int(cell):,}" if abs(int(cell)) >= _SEPARATED else str(int(cell))
    if isinstance(cell, numbers.Real):
        return _real(float(cell), digits)
    return str(cell)


def expand(frame: pd.DataFrame) -> pd.DataFrame:
    """A table for a CSV file: a column of estimates becomes up to four, those that are known of any of them."""
    import pandas as pd

    columns: dict[Any, Any] = {}
    for name in frame.columns:
        cells = list(frame[name])
        if not any(isinstance(cell, Estimate) for cell in cells):
            columns[name] = cells
            continue
        parts = [(cell if isinstance(cell, Estimate) else Estimate(size(cell))).columns() for cell in cells]
        for suffix in parts[0]:
            values = [part[suffix] for part in parts]
            if not suffix or not all(map(math.isnan, values)):
                columns[f"{name}{suffix}"] = values
    return pd.DataFrame(columns, index=frame.index)


def _real(value: float, digits: int) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else f"{_MINUS}∞"
    # A value that rounds to nothing is told in powers of ten, not as 0.000.
    if value and abs(value) < 0.5 * 10**-digits:
        return f"{value:.1e}".replace("-", _MINUS)
    text = f"{value:,.{digits}f}" if abs(value) >= _SEPARATED else f"{value:.{digits}f}"
    return text.replace("-", _MINUS)


def _estimate(cell: Estimate, digits: int) -> str:
    text = as_text(cell.value, digits)
    if math.isfinite(cell.sd):
        text += f' <span class="sd">± {cell.sd:.{digits}f}</span>'
    if math.isfinite(cell.low) and math.isfinite(cell.high):
        text += f'<span class="interval">{as_text(cell.low, digits)} to {as_text(cell.high, digits)}</span>'
    return text
