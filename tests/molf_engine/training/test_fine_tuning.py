"""Going on from a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from molf_engine.bundle import UNKNOWN_CODE, Bundle
from molf_engine.errors import ConfigError
from molf_engine.training.fine_tuning import adopt, joint_codes, take_velocity
from molf_engine.training.stages import fresh_velocity

from ..conftest import tiny_settings, train_tiny


@pytest.fixture(scope="module")
def tuned(tiny_bundle: Bundle, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    short = {"vae": {"epochs": 2}, "flow": {"epochs": 2}, "device": "cpu"}
    data = {"path": str(corpus), "sections": ["SIM_A_4"], "validation": ["SIM_A_3"]}
    config = tiny_settings(corpus, training=short, data=data, vae={}, flow={}, name="tuned")
    return train_tiny(config, tmp_path_factory.mktemp("tuned") / "b", start=tiny_bundle)


def test_what_the_weights_were_made_for_is_kept(tuned: Bundle, tiny_bundle: Bundle) -> None:
    assert tuned.config.vae.width == tiny_bundle.config.vae.width == 32
    assert tuned.config.flow.expert_width == tiny_bundle.config.flow.expert_width
    assert tuned.config.encoder == tiny_bundle.config.encoder
    assert tuple(tuned.genes.index) == tuple(tiny_bundle.genes.index)
    assert tuned.config.parent == tiny_bundle.id


def test_it_begins_where_the_other_ended_and_moves(tuned: Bundle, tiny_bundle: Bundle) -> None:
    """Two epochs at a small rate: near the parent, and not the parent."""
    name = "velocity.head.experts.0.embed.weight"
    moved = np.abs(tuned.tensors[name] - tiny_bundle.tensors[name]).max()
    assert 0 < moved < 0.1
    np.testing.assert_array_equal(tuned.tensors["vae.scale"], tiny_bundle.tensors["vae.scale"])


def test_patients_of_both_count_as_seen(tuned: Bundle, tiny_bundle: Bundle) -> None:
    seen = {section for patient in tuned.config.patients for section in patient.sections}
    assert {"SIM_A_1", "SIM_A_2", "SIM_A_3", "SIM_A_4"} <= seen
    assert tiny_bundle.id in (tuned.path / "README.md").read_text()


def test_a_setting_that_the_weights_do_not_allow_is_named(tiny_bundle: Bundle, corpus: Path) -> None:
    config = tiny_settings(corpus, vae={"latent": 9}, flow={})
    with pytest.raises(ConfigError, match=r"vae\.latent is 8 there, 9 here"):
        adopt(config, tiny_bundle)
    other_loss = tiny_settings(corpus, vae={}, flow={"gene_weight": 2.0})
    assert adopt(other_loss, tiny_bundle).flow.gene_weight == 2.0


def test_a_new_cancer_code_begins_as_unknown(tiny_bundle: Bundle) -> None:
    codes = joint_codes(tiny_bundle, ("COAD", UNKNOWN_CODE))
    assert codes[: len(tiny_bundle.config.codes)] == tiny_bundle.config.codes
    assert codes[-1] == "COAD"
    config = tiny_bundle.config
    run = tiny_settings(Path(), vae=config.vae.model_dump(), flow=config.flow.model_dump())
    field = fresh_velocity(run, config.features, len(codes), codes.index(UNKNOWN_CODE))
    take_velocity(field, tiny_bundle)
    table = field.context.code.weight
    assert torch.equal(table[-1], table[codes.index(UNKNOWN_CODE)])
