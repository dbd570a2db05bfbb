"""Eight Gaussians: the known answers are known, the scores mean what they say, and networks learn."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from molf_engine.evaluation.gaussians.models import EXPERTS, Variant, variants, width_with_parameters
from molf_engine.evaluation.gaussians.problem import PEAKS, EightGaussians
from molf_engine.evaluation.gaussians.report import as_text, every_run, means
from molf_engine.evaluation.gaussians.scores import shared_information, stray_share, w2_per_dimension
from molf_engine.evaluation.gaussians.study import Study, Training, run_study, train, training_loss
from molf_engine.nn.experts import Expert
from molf_engine.progress import Progress

PROBLEM = EightGaussians()
CONDITIONS = torch.tensor([[4.0, 0.0], [3.3, 1.5], [0.4, -0.2], [-2.0, 2.6]])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plane(reach: float = 8.0, ticks: int = 321) -> Tensor:
    axis = torch.linspace(-reach, reach, ticks, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis)


def density(values: Tensor) -> Tensor:
    """Density of the target, without its factor."""
    distance = values[:, None] - PROBLEM.centres().double()
    return (-distance.square().sum(dim=2) / (2 * PROBLEM.sd**2)).exp().sum(dim=1)


def test_values_lie_around_eight_centres_on_the_circle() -> None:
    value, condition, peak = PROBLEM.draw(40_000, seeded())
    assert torch.allclose(PROBLEM.centres().norm(dim=1), torch.full((PEAKS,), PROBLEM.radius))
    assert torch.bincount(peak).tolist() == pytest.approx([5_000] * PEAKS, rel=0.06)
    assert (value - PROBLEM.centres()[peak]).std(dim=0).tolist() == pytest.approx([PROBLEM.sd] * 2, rel=0.02)
    assert (condition - value).std(dim=0).tolist() == pytest.approx([PROBLEM.noise] * 2, rel=0.02)


def test_the_conditional_mean_is_that_of_a_posterior_summed_over_the_plane() -> None:
    grid = plane()
    prior = density(grid)
    for condition, found in zip(CONDITIONS, PROBLEM.posterior(CONDITIONS).mean(), strict=True):
        likelihood = (-(grid - condition).square().sum(dim=1) / (2 * PROBLEM.noise**2)).exp()
        weight = prior * likelihood
        summed = (weight[:, None] * grid).sum(dim=0) / weight.sum()
        assert torch.allclose(found.double(), summed, atol=1e-5)


@pytest.mark.parametrize("t", [0.0, 0.4, 0.9])
def test_the_exact_velocity_is_that_of_a_posterior_summed_over_the_plane(t: float) -> None:
    grid = plane()
    z = torch.tensor([[0.3, -0.5], [2.0, 1.1], [0.1, 0.2], [-1.8, 1.5]])
    found = PROBLEM.velocity(z, t, CONDITIONS)
    for point, condition, velocity in zip(z, CONDITIONS, found, strict=True):
        weight = density(grid) * (-(grid - condition).square().sum(dim=1) / (2 * PROBLEM.noise**2)).exp()
        # z0 that a value would need to come through this point.
        start = (point - t * grid) / (1 - t)
        weight = weight * (-start.square().sum(dim=1) / 2).exp()
        expected = (weight[:, None] * (grid - start)).sum(dim=0) / weight.sum()
        assert torch.allclose(velocity.double(), expected, atol=1e-4)


def test_a_conditional_draw_is_spread_as_the_posterior_says() -> None:
    condition = torch.tensor([[3.3, 1.5]])
    posterior = PROBLEM.posterior(condition)
    drawn = PROBLEM.conditional_draw(condition.expand(50_000, 2), seeded())
    assert torch.allclose(drawn.mean(dim=0), posterior.mean()[0], atol=0.02)
    between = (posterior.weights[0, :, None] * (posterior.means[0] - posterior.mean()).square()).sum(dim=0)
    assert torch.allclose(drawn.var(dim=0), posterior.sd**2 + between, rtol=0.03)


def test_w2_of_a_shift_is_the_shift_and_the_order_does_not_matter() -> None:
    points = PROBLEM.draw(2_000, seeded()).value
    moved = points[torch.randperm(len(points), generator=seeded())] + torch.tensor([0.3, -0.5])
    assert w2_per_dimension(moved, points) == pytest.approx(0.4, abs=1e-5)
    assert w2_per_dimension(points.flip(0), points) == 0.0


def test_w2_of_two_widths_is_their_difference() -> None:
    points = torch.randn((100_000, 2), generator=seeded())
    assert w2_per_dimension(3 * points, points) == pytest.approx(2.0, rel=0.01)


def test_w2_refuses_clouds_of_different_size() -> None:
    with pytest.raises(ValueError, match="3, 2"):
        w2_per_dimension(torch.zeros(3, 2), torch.zeros(4, 2))


def test_of_distant_peaks_as_many_points_stray_as_the_normal_law_says() -> None:
    distant = EightGaussians(radius=40.0)
    assert stray_share(distant.draw(100_000, seeded()).value, distant) == pytest.approx(math.exp(-4.5), rel=0.1)
    assert stray_share(torch.zeros(5, 2), PROBLEM) == 1.0


def test_shared_information_is_1_for_one_expert_per_peak_and_0_for_a_constant_choice() -> None:
    peak = PROBLEM.draw(1_000, seeded()).peak
    assert shared_information((peak + 3) % PEAKS, peak, EXPERTS) == pytest.approx(1.0)
    assert shared_information(torch.zeros_like(peak), peak, EXPERTS) == pytest.approx(0.0, abs=1e-9)
    # Two peaks to an expert: the expert leaves one of three bits open.
    assert shared_information(peak // 2, peak, EXPERTS) == pytest.approx(2 / 3, abs=0.01)


@pytest.mark.parametrize("heads", [1, 8])
def test_a_transformer_layer_over_one_token_is_the_token_layer_whatever_its_heads(heads: int) -> None:
    width = 32
    published = nn.TransformerEncoderLayer(width, heads, 64, 0.0, activation="gelu", batch_first=True)
    folded = Expert(5, width, 64, 2, 0.0).layer
    value = published.self_attn.in_proj_weight[2 * width :]
    bias = published.self_attn.in_proj_bias[2 * width :]
    out = published.self_attn.out_proj
    with torch.no_grad():
        folded.mix.weight.copy_(out.weight @ value)
        folded.mix.bias.copy_(out.weight @ bias + out.bias)
    folded.feedforward[0].load_state_dict(published.linear1.state_dict())
    folded.feedforward[3].load_state_dict(published.linear2.state_dict())
    x = torch.randn((7, width), generator=seeded())
    assert torch.allclose(folded(x), published(x[:, None])[:, 0], atol=1e-5)


def test_the_comparison_holds_what_the_paper_compares_and_a_dense_network_of_equal_size() -> None:
    for norm in (False, True):
        mixture, learning, control, equal = (variant for variant in variants() if variant.input_norm is norm)
        assert (mixture.width, mixture.gate) == (32, "kept")
        assert learning == replace(mixture, name=learning.name, gate="probability")
        assert (control.width, control.feedforward, control.gate) == (256, 1024, None)
        assert equal.parameters() == pytest.approx(mixture.parameters(), rel=0.02)
    assert width_with_parameters(Variant("", 40, 160, None, False).parameters(), False) == 40


TINY = Training(steps=150, batch=128, warm_up=20)
SMALL = Variant("dense", 24, 48, None, False)
MIXTURE = Variant("MoE", 8, 16, "kept", False)


def study(*compared: Variant, steps: tuple[int, ...] = (1, 4), training: Training = TINY) -> Study:
    return run_study(compared, seeds=range(2), steps=steps, conditions=2_000, training=training)


@pytest.fixture(scope="module")
def trained() -> Study:
    return study(SMALL, MIXTURE)


def test_the_floors_are_ordered_and_the_conditional_mean_scores_a_tenth() -> None:
    floors = run_study((), seeds=(), steps=(1, 16), conditions=50_000, training=TINY).floors
    mean, flow = floors.exact
    assert mean.w2 == pytest.approx(0.10, abs=0.01)
    assert floors.second_draw.w2 < flow.w2 < 0.03
    assert floors.second_draw.stray == pytest.approx(
        stray_share(PROBLEM.draw(50_000, seeded()).value, PROBLEM), rel=0.15
    )


def test_one_step_along_the_exact_velocity_is_the_conditional_mean(trained: Study) -> None:
    expected = PROBLEM.posterior(trained.test.condition).mean()
    assert torch.allclose(trained.floors.points[1], expected, atol=1e-4)


def test_training_brings_predictions_closer_to_the_truth(trained: Study) -> None:
    before = study(SMALL, training=replace(TINY, steps=1))
    for early, late in zip(before.of(SMALL), trained.of(SMALL), strict=True):
        assert late.scores[1].w2 < 0.5 * early.scores[1].w2


def test_the_same_study_gives_the_same_numbers_and_another_seed_others(trained: Study) -> None:
    again = study(SMALL)
    assert [run.scores for run in again.runs] == [run.scores for run in trained.of(SMALL)]
    first, second = trained.of(SMALL)
    assert first.scores != second.scores


def test_training_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(SMALL, PROBLEM, replace(TINY, steps=2), seed=0)
    assert torch.equal(torch.rand(3), expected)


def test_two_workers_find_what_one_finds_and_every_network_is_reported() -> None:
    reports: list[Progress] = []
    call = partial(run_study, (SMALL,), seeds=range(2), steps=(1,), conditions=200, training=replace(TINY, steps=3))
    shared = call(workers=2, progress=reports.append)
    assert [run.seed for run in shared.runs] == [0, 1]
    for one, other in zip(call().runs, shared.runs, strict=True):
        assert one.scores[0].w2 == pytest.approx(other.scores[0].w2, rel=1e-4)
    assert [(report.done, report.total) for report in reports] == [(1, 2), (2, 2)]


@pytest.mark.parametrize(("gate", "learns"), [("kept", False), ("probability", True)])
def test_a_gate_that_keeps_one_learns_from_the_flow_only_if_weighted_by_its_probability(
    gate: str, learns: bool
) -> None:
    network = replace(MIXTURE, gate=gate).build()
    training_loss(network, PROBLEM, replace(TINY, balance=0.0), seeded()).backward()
    assert network.gate is not None
    gradient = network.gate.linear.weight.grad
    assert gradient is not None
    assert bool(gradient.abs().max() > 0) is learns


def test_a_network_without_experts_says_that_it_routes_nothing() -> None:
    with pytest.raises(ValueError, match="without experts"):
        SMALL.build().choose(torch.zeros(1, 2), 0.0, torch.zeros(1, 2))


def test_tables_hold_the_floors_first_and_the_spread_over_seeds(trained: Study) -> None:
    rows = every_run(trained)
    assert [row["network"] for row in rows[:3]] == ["second draw", "exact velocity", "exact velocity"]
    assert len(rows) == 3 + 2 * 2 * 2
    one = [row["w2"] for row in rows if row["network"] == "dense" and row["steps"] == 1]
    averaged = next(row for row in means(trained) if row["network"] == "dense" and row["steps"] == 1)
    assert averaged["w2"] == pytest.approx(sum(one) / 2)
    assert averaged["w2_sd"] == pytest.approx(abs(one[0] - one[1]) / math.sqrt(2))
    text = {row["network"]: row for row in as_text(trained)}
    assert text["dense"]["1 step"] == f"{averaged['w2']:.3f} ± {averaged['w2_sd']:.3f}"
    assert text["dense"]["experts used"] == ""
    assert text["MoE"]["experts used"]


def gaussians(*arguments: object) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "molf_engine", "gaussians", *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_writes_table_and_figures_and_replaces_none_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    tiny = ("--seeds", 1, "--steps", 1, 2, "--conditions", 500, "--train-steps", 2, "--feedforward", 32, "--workers", 1)
    done = gaussians(*tiny, "-o", folder, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {row["network"] for row in rows} == {
        "second draw",
        "exact velocity",
        *(variant.name for variant in variants()),
    }
    with (folder / "gaussians.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 3 + 8 * 2
    for name in ("gaussians.png", "gaussians-experts.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in folder.iterdir()) == ["gaussians-experts.png", "gaussians.csv", "gaussians.png"]

    refused = gaussians(*tiny, "-o", folder)
    assert refused.returncode == 2
    assert "exists already" in refused.stderr
    assert "--overwrite" in refused.stderr
