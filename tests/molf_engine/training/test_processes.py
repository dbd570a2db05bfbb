"""Several slides in a step, several processes, several precisions."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from molf_engine.errors import ConfigError
from molf_engine.progress import silent
from molf_engine.training.devices import make_fabric
from molf_engine.training.networks import train_networks
from molf_engine.training.objectives import FlowObjective, VAEObjective, join_draws
from molf_engine.training.slides import join, key_of
from molf_engine.training.stages import fresh_vae, fresh_velocity

from . import child_steps
from .child_steps import FEATURES, settings, slides

CHILD = Path(child_steps.__file__)


def state(folder: Path, stage: str) -> dict[str, torch.Tensor]:
    return torch.load(folder / f"{stage}.pt", weights_only=True)["network"]


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    config = settings(1)
    train_networks(config, slides(), slides(1, seed=1), ("A", "Unknown"), folder, make_fabric(config.training), silent)
    return folder


def environment(**values: object) -> dict[str, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "LOCAL_RANK"))}
    return {**plain, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), **{k: str(v) for k, v in values.items()}}


def same(one: Path, other: Path) -> None:
    """Six steps of each stage apart, weights differ by rounding alone."""
    for stage in ("vae", "flow"):
        first, second = state(one, stage), state(other, stage)
        assert first.keys() == second.keys()
        for name, value in first.items():
            torch.testing.assert_close(second[name], value, rtol=0, atol=1e-5, msg=f"{stage} {name}")


def test_two_processes_learn_what_one_does(one_process: Path, tmp_path: Path) -> None:
    """Fabric starts the second process itself; pairs out of five slides leave it without one at times."""
    subprocess.run([sys.executable, CHILD, tmp_path, "2"], env=environment(), check=True, timeout=300)
    same(one_process, tmp_path)


def test_two_tasks_of_slurm_learn_what_one_process_does(one_process: Path, tmp_path: Path) -> None:
    """As `srun --ntasks 2` starts them: same command, the rank in the environment."""
    common = environment(
        SLURM_JOB_ID=12345, SLURM_JOB_NAME="molf", SLURM_NTASKS=2, SLURM_NTASKS_PER_NODE=2, SLURM_NODEID=0,
        SLURM_NNODES=1, SLURM_NODELIST="127.0.0.1",
    )  # fmt: skip
    tasks = [
        subprocess.Popen(
            [sys.executable, CHILD, tmp_path, "2"],
            env={**common, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)},
        )
        for rank in range(2)
    ]
    assert [task.wait(timeout=300) for task in tasks] == [0, 0]
    same(one_process, tmp_path)


def test_fewer_slides_in_a_step_than_processes_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="batch_slides"):
        settings(4)


@pytest.mark.parametrize("position", ["grid-2d", "row-order", "none"])
@pytest.mark.parametrize("velocity", ["moe", "dense", "attention"])
def test_slides_in_one_batch_do_not_see_each_other(position: str, velocity: str) -> None:
    """Losses of a batch are those of its slides alone, and nothing is padded."""
    config = settings(1)
    flow = config.flow.model_copy(update={"position": position, "velocity": velocity})
    config = config.model_copy(update={"flow": flow})
    made = slides(3)
    vae = fresh_vae(config, made).eval()
    field = fresh_velocity(config, FEATURES, 2, 1)
    for objective in (
        VAEObjective(vae, config.vae, True),
        FlowObjective(field, vae, config.flow, True, config.vae.depth_weight, 1),
    ):
        draws = [objective.draw(slide, torch.Generator().manual_seed(n)) for n, slide in enumerate(made)]
        batch = join(made)
        assert len(batch.features) == sum(len(slide.features) for slide in made)
        together = objective(batch, join_draws(draws, torch.device("cpu")))
        alone = [
            objective(join([slide]), join_draws([draw], torch.device("cpu")))
            for slide, draw in zip(made, draws, strict=True)
        ]
        torch.testing.assert_close(together.total, torch.cat([one.total for one in alone]), rtol=1e-5, atol=1e-5)


def test_every_seed_stage_epoch_and_slide_has_noise_of_its_own() -> None:
    objective = VAEObjective(fresh_vae(settings(1), slides()), settings(1).vae, True)
    keys = [(1, "vae", 0, "S0"), (2, "vae", 0, "S0"), (1, "flow", 0, "S0"), (1, "vae", 1, "S0"), (1, "vae", 0, "S1")]
    noise = [objective.draw(slides()[0], torch.Generator().manual_seed(key_of(*key))).latent for key in keys]
    for place, one in enumerate(noise):
        assert all(not torch.equal(one, other) for other in noise[place + 1 :])


def test_bfloat16_learns_nearly_the_same_and_keeps_weights_in_float32(one_process: Path, tmp_path: Path) -> None:
    config = settings(1, precision="bfloat16")
    fabric = make_fabric(config.training)
    train_networks(config, slides(), slides(1, seed=1), ("A", "Unknown"), tmp_path, fabric, silent)
    full, half = state(one_process, "vae"), state(tmp_path, "vae")
    assert all(value.dtype == torch.float32 for value in half.values())
    moved = {name: float((half[name] - value).abs().max()) for name, value in full.items()}
    assert 0 < max(moved.values()) < 0.02


def test_the_command_line_trains_in_two_processes(corpus: Path, tmp_path: Path) -> None:
    """One bundle is written and one table printed, though two processes worked."""
    short = ["--training.vae.epochs", "2", "--training.flow.epochs", "2", "--training.device", "cpu"]
    (tmp_path / "run.toml").write_text('[data]\nvalidation = ["SIM_A_3"]\ntest = ["SIM_A_4"]\n')
    done = subprocess.run(
        [
            sys.executable, "-m", "molf_engine", "train", tmp_path / "run.toml", "--data", corpus, "-o", tmp_path / "b",
            "--training.devices", "2", "--training.batch_slides", "2", *short,
        ],
        env=environment(MOLF_CACHE_DIR=corpus.parent / "features"), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Validation sections: mean PCC") == 1
    metrics = json.loads((tmp_path / "b" / "metrics.json").read_text())
    assert np.isfinite([row["molf"] for row in metrics["test"]]).all()
    assert not (tmp_path / "b.training").exists()
