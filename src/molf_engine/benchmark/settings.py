"""What a benchmark compares: one TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from molf_engine.config import RunConfig, read_settings, validate
from molf_engine.errors import ConfigError

Variant = Literal["attention", "dense", "no-position", "grid-2d", "row-order", "hallmark", "single-tissue"]
Rival = Literal["ridge", "mlp", "depth", "stflow", "stem", "stpath"]
BUNDLED: tuple[str, ...] = ("ridge", "mlp", "depth")
"""Rivals that every bundle brings, fitted on its rows."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, frozen=True)


class Outside(_Settings):
    """Predictions that another tool wrote, scored as they are."""

    name: str
    """Name in the tables."""
    folder: Path
    """Holds <section>.h5ad: X is (spots, genes) expression, var_names gene symbols, obs_names barcodes (or obsm["spatial"] centres)."""
    units: Literal["log1p", "log1p-cp10k"]
    """Scale of X."""
    note: str = ""
    """What it has seen, for the report: whether test sections were in its training decides what the row means."""


class BenchmarkConfig(_Settings):
    """A whole benchmark."""

    name: str
    """Title of the report."""
    data: Path
    """Prepared corpus, or a HEST-layout folder."""
    train: Path | None = None
    """Settings of `molf-engine train` for MoLF; none: its defaults. Its data, sections and seed are replaced."""
    splits: tuple[str, ...] = Field(min_length=1)
    """Each a folder with train_split.csv, val_split.csv and test_split.csv, a JSON file with train, validation and test, `published-0`,
    `published-1`, `leave-one-patient-out`, or `hest-bench:FOLDER`."""
    seeds: tuple[int, ...] = (2026,)
    """Every trained model is trained once for each."""
    rivals: tuple[Rival, ...] = ("ridge", "mlp", "depth", "stflow", "stem", "stpath")
    """Ridge, MLP and depth are always there."""
    variants: tuple[Variant, ...] = ("attention", "dense", "no-position", "hallmark", "single-tissue")
    """Changes to MoLF, each trained and scored beside it."""
    predictions: tuple[Outside, ...] = ()
    """Predictions of other tools."""
    draws: int = Field(2000, ge=100)
    """Of the bootstrap over sections."""
    seed: int = 0
    """Of the bootstrap."""

    @field_validator("splits", "seeds", "rivals", "variants")
    @classmethod
    def _once(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if twice := [one for one in dict.fromkeys(value) if value.count(one) > 1]:
            raise ValueError(f"names {', '.join(map(str, twice))} twice")
        return value

    @field_validator("seeds")
    @classmethod
    def _a_seed(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value:
            raise ValueError("name at least one seed, or leave it out")
        return value

    @field_validator("predictions")
    @classmethod
    def _names_of_their_own(cls, value: tuple[Outside, ...]) -> tuple[Outside, ...]:
        taken = ["molf", *get_args(Rival)]
        for one in value:
            if one.name in taken:
                raise ValueError(f"the name {one.name!r} is taken by another model of the report, choose another")
            taken.append(one.name)
        return value


def read_benchmark(path: Path, data: Path | None = None) -> tuple[BenchmarkConfig, RunConfig]:
    """The settings of a benchmark and of MoLF's training in it; ``data`` overrides what they name.

    Raises
    ------
    ConfigError
        If a file is missing or has mistakes; every one is named.
    """
    values = read_settings(path)
    folder = path.parent

    def beside(value: object) -> str:
        return str((folder / Path(str(value)).expanduser()).resolve())

    for key in ("data", "train"):
        if values.get(key) is not None:
            values[key] = beside(values[key])
    if data is not None:
        values["data"] = str(data.resolve())
    if isinstance(values.get("splits"), list):
        values["splits"] = [_split(str(entry), folder) for entry in values["splits"]]
    for entry in values.get("predictions", ()):
        if isinstance(entry, dict) and "folder" in entry:
            entry["folder"] = beside(entry["folder"])
    try:
        config = BenchmarkConfig.model_validate(values)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        ]
        raise ConfigError(f"Mistakes in {path}:\n" + "\n".join(lines)) from error
    training: dict[str, Any] = read_settings(config.train) if config.train is not None else {}
    return config, validate(training, str(config.train))


def _split(text: str, folder: Path) -> str:
    """A split with its path made absolute; names of splits that come with the package stay as they are."""
    kind, colon, rest = text.partition(":")
    if colon and kind == "hest-bench":
        return f"{kind}:{(folder / rest).resolve()}"
    path = (folder / text).expanduser()
    return str(path.resolve()) if path.exists() else text
