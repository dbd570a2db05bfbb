"""The settings files that come with the program."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from molf_engine.bundle.released import Unwritten
from molf_engine.config import RunConfig, read_settings, validate

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["default", "published", "starter", "demo", "own"])
def test_every_settings_file_is_valid(name: str) -> None:
    file = ROOT / "configs" / f"{name}.toml"
    assert isinstance(validate(read_settings(file), str(file)), RunConfig)


def test_default_toml_states_every_setting_at_its_default() -> None:
    values = tomllib.loads((ROOT / "configs" / "default.toml").read_text(encoding="utf-8"))
    assert validate(values) == RunConfig()

    def names(model: type, prefix: str = "") -> set[str]:
        found: set[str] = set()
        for name, field in model.model_fields.items():
            inner = field.default
            found |= names(type(inner), f"{prefix}{name}.") if hasattr(inner, "model_fields_set") else {prefix + name}
        return found

    text = (ROOT / "configs" / "default.toml").read_text(encoding="utf-8")
    for name in names(RunConfig):
        assert f"{name.rpartition('.')[2]} =" in text


@pytest.mark.parametrize("stage", ["vae", "flow"])
def test_a_file_that_names_one_setting_leaves_the_others_at_their_defaults(stage: str) -> None:
    named = getattr(validate({"training": {stage: {"epochs": 7}}}).training, stage)
    default = getattr(RunConfig().training, stage)
    assert named == default.model_copy(update={"epochs": 7})


def test_published_toml_departs_from_ours_where_the_paper_and_its_released_network_do() -> None:
    config = validate(read_settings(ROOT / "configs" / "published.toml"))
    assert (config.training.vae.epochs, config.training.flow.epochs) == (1000, 500)
    assert config.training.flow.learning_rate == config.training.vae.learning_rate == 5e-5
    assert config.training.flow.gate_learning_rate == 1e-5
    assert config.training.flow.patience == config.training.vae.patience == 50
    assert (config.vae.dropout, config.flow.dropout) == (0.1, 0.1)
    assert (config.flow.experts, config.flow.active) == (6, Unwritten().active)
    assert (config.data.units, config.flow.position, config.flow.guidance_dropout) == (
        "log1p",
        "row-order",
        "slide-features",
    )
