"""A run that is killed and started again ends as if nothing had happened; a loss that is not finite ends it with a reason."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from molf_engine.bundle import Bundle
from molf_engine.errors import MolfError
from molf_engine.progress import silent
from molf_engine.training.devices import make_fabric
from molf_engine.training.networks import train_networks

from ..conftest import tiny_settings, train_tiny
from .child_steps import settings, slides

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_run_killed_at_several_points_ends_bit_for_bit_as_an_uninterrupted_one(
    tiny_bundle: Bundle, corpus: Path, tmp_path: Path
) -> None:
    output = tmp_path / "b"
    points = [
        ("Training gene VAE", 5),
        ("saving", 0),
        ("Training flow", 11),
        ("Scoring", 0),
    ]
    for phase, done in points:
        child = subprocess.run(
            [sys.executable, "-m", "tests.molf_engine.training.child_killed", corpus, output, phase, str(done)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert child.returncode == -signal.SIGKILL, child.stderr
        assert not output.exists()
    again = train_tiny(tiny_settings(corpus), output)
    assert again.weights_hash == tiny_bundle.weights_hash
    for name in ("curves.csv", "metrics.json"):
        assert (again.path / name).read_bytes() == (tiny_bundle.path / name).read_bytes(), name
    # Sums over spots may differ in the last digit by where in memory their numbers lie; six digits are written.
    there, here = (
        pd.read_csv(folder / "genes.tsv", sep="\t", index_col=0) for folder in (tiny_bundle.path, again.path)
    )
    pd.testing.assert_frame_equal(here, there, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("stage", ["vae", "flow"])
def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_slide(stage: str, tmp_path: Path) -> None:
    config = settings(1, seed=4)
    # Plain values: a unit of infinity would take every slide along.
    config = config.model_copy(update={"vae": config.vae.model_copy(update={"standardise": False})})
    made = slides()
    values = {"vae": made[3].targets.clone(), "flow": made[3].features.clone()}
    values[stage][0, 0] = torch.inf
    made[3] = replace(made[3], targets=values["vae"], features=values["flow"])
    fabric = make_fabric(config.training)
    with pytest.raises(MolfError, match=r"not finite on S3 in epoch 1\b.*-stopped\.pt"):
        train_networks(config, made, slides(1, seed=1), ("A", "Unknown"), tmp_path, fabric, silent)
    kept = torch.load(tmp_path / f"{stage}-stopped.pt", weights_only=True)
    assert kept["slides"] == ["S3"]
    assert all(torch.isfinite(value).all() for value in kept["network"].values())


def test_a_gradient_that_is_not_finite_changes_no_weight(tmp_path: Path) -> None:
    """The loss is finite, its slope is not: float32 squares of 1e20 overflow on the way back."""
    config = settings(1, seed=4)
    made = slides(1)
    fabric = make_fabric(config.training)

    class Steep(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
            return gradient * torch.inf

    from molf_engine.training import objectives

    plain = objectives.masked_mse
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objectives, "masked_mse", lambda *a: Steep.apply(plain(*a)))
        with pytest.raises(MolfError, match="gradient of the gene VAE is not finite on S0"):
            train_networks(config, made, slides(1, seed=1), ("A", "Unknown"), tmp_path, fabric, silent)
    kept = torch.load(tmp_path / "vae-stopped.pt", weights_only=True)
    assert all(torch.isfinite(value).all() for value in kept["network"].values())
