"""Choose settings without touching a test section: train on folds of the training sections, score on what each fold leaves out.

    python benchmarks/folds.py configs/starter.toml DATA [--flow.position none ...]

Two protocols: leave one section out (its patient stays in training), and leave one patient out (every section of a patient).  The first
validation section of the settings file decides in every fold when to stop and which guidance scale is used; sections named as test in
the file are never read.  Rivals are fitted in each fold on the same rows.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from molf_engine.config import RunConfig, read_settings, validate
from molf_engine.data import Section, read_hest
from molf_engine.encoders import FeatureCache
from molf_engine.training.run import train

MODELS = ("molf", "ridge", "mlp", "depth")


def folds(config: RunConfig, sections: list[Section]) -> list[tuple[str, list[str], list[str]]]:
    """Protocol, sections to train on, sections to score; the validation section is in neither."""
    validation = config.data.validation[0]
    others = [section for section in sections if section.id != validation]
    judge = next(section.patient for section in sections if section.id == validation)
    result = [
        ("section left out", [s.id for s in others if s is not out], [out.id]) for out in others if out.patient == judge
    ]
    for patient in sorted({section.patient for section in others} - {judge}):
        test = [section.id for section in others if section.patient == patient]
        result.append(("patient left out", [s.id for s in others if s.id not in test], test))
    return result


def overrides(values: dict[str, Any], flags: list[str]) -> dict[str, Any]:
    """Settings with ``--dotted.name value`` pairs put in."""
    for flag, value in zip(flags[::2], flags[1::2], strict=True):
        *path, name = flag.removeprefix("--").split(".")
        place = values
        for part in path:
            place = place.setdefault(part, {})
        place[name] = value
    return values


def main() -> None:
    """Train every fold and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("data", type=Path)
    arguments, flags = parser.parse_known_args()
    values = overrides(read_settings(arguments.config), flags)
    config = validate(values)
    sections = [
        section
        for section in read_hest(arguments.data, config.data.sections or ())
        if section.id not in config.data.test
    ]
    known = {section.id for section in sections}
    sections += read_hest(arguments.data, [name for name in config.data.validation if name not in known])

    rows = []
    for protocol, training, test in folds(config, sections):
        data = {**config.data.model_dump(), "path": arguments.data.resolve(), "sections": training, "test": test}
        data["validation"] = config.data.validation[:1]
        fold = config.model_copy(update={"data": type(config.data).model_validate(data)})
        with tempfile.TemporaryDirectory() as folder:
            bundle = train(fold, Path(folder) / "bundle", cache=FeatureCache())
            rows += [{"protocol": protocol, **row, "w": bundle.config.guidance} for row in bundle.metrics["test"]]
        sys.stderr.write(f"{protocol}: {', '.join(test)} done\n")
    table = pd.DataFrame(rows)
    print(f"mean PCC per gene over the spots of a section; settings {arguments.config.name} {' '.join(flags)}".rstrip())
    columns = ["protocol", "section", "spots", "units", "genes", "n_genes", *MODELS, "w"]
    print(table[columns].to_string(index=False, float_format="%.3f"))
    print(table.groupby(["protocol", "units", "genes"])[list(MODELS)].mean().to_string(float_format="%.3f"))


if __name__ == "__main__":
    main()
