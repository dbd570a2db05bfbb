"""What a benchmark was: its data, splits and models, how it was run, and what went wrong; kept as JSON beside the results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from molf_engine import __version__
from molf_engine.errors import DataError
from molf_engine.evaluation.tables.ablations import Ablation
from molf_engine.evaluation.tables.table import Bootstrap
from molf_engine.files import atomic_path

NAME = "run.json"


@dataclass(frozen=True)
class ModelFacts:
    """One model of a benchmark."""

    name: str
    """As in the results, with what was changed: `molf (position=none)`."""
    text: str = ""
    """What it is, in a sentence."""
    parameters: int | None = None
    training_seconds: float | None = None
    """Of one training, mean over trainings."""
    reduced: str = ""
    """What was made smaller or shorter than its authors made it; empty: nothing."""


@dataclass(frozen=True)
class SplitFacts:
    """One split or fold."""

    name: str
    """As in the results."""
    training: int
    """Sections."""
    validation: int
    test: int
    findings: tuple[str, ...] = ()
    """What the audit of the split found, in sentences; empty: nothing."""
    audited: bool = True


@dataclass(frozen=True)
class BenchmarkRun:
    """Everything of a benchmark that its results do not tell."""

    title: str
    asked: str
    """What was to be found out, in a sentence or two."""
    data: str
    """Name of the data, without a path of this machine."""
    encoder: str
    panel: str
    splits: tuple[SplitFacts, ...] = ()
    models: tuple[ModelFacts, ...] = ()
    ablations: tuple[Ablation, ...] = ()
    reference: str = "molf"
    """Model that the others are compared with."""
    simulated: bool = False
    """Whether the tissue is simulated."""
    min_counts: float = 0.0
    """Spots with fewer counts were not scored."""
    device: str = ""
    seconds: float | None = None
    """From the first section that was read to the last that was scored."""
    commands: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    trouble: tuple[str, ...] = ()
    """What failed or was skipped, in sentences."""
    bootstrap: Bootstrap = field(default_factory=Bootstrap)

    def save(self, folder: Path | str) -> Path:
        """Write ``run.json`` into a folder; returns its path."""
        path = Path(folder) / NAME
        with atomic_path(path) as beside:
            beside.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False), encoding="utf-8")
        return path

    @classmethod
    def load(cls, folder: Path | str) -> BenchmarkRun:
        """Read ``run.json``.  Raises :class:`DataError` if it is missing or damaged."""
        path = Path(folder) / NAME
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            for name, kind in (("splits", SplitFacts), ("models", ModelFacts), ("ablations", Ablation)):
                values[name] = tuple(kind(**_tuples(one)) for one in values[name])
            values["bootstrap"] = Bootstrap(**values["bootstrap"])
            return cls(**_tuples(values))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(f"Cannot read {path}: {error}. Run the benchmark again.") from error


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def versions() -> dict[str, str]:
    """Of this software and of what its numbers come from, for a report."""
    import platform
    from importlib.metadata import version

    names = ("torch", "numpy", "scipy", "scikit-learn", "anndata")
    return {"napari-molf": __version__, "Python": platform.python_version(), **{name: version(name) for name in names}}
