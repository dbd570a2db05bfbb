from __future__ import annotations

import numpy as np
import torch

from molf_engine.baselines.fitting import Batch, Budget, keyed, learning_rate, masked_error, train
from molf_engine.progress import silent


def batch(spots: int = 30, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(spots, 2, generator=generator)
    positions = np.random.default_rng(seed).uniform(0, 1000, (spots, 2))
    return Batch(features, features[:, :1] * 2, torch.ones(1), positions)


class Line:
    """The simplest learner: a linear layer."""

    def loss(self, network: torch.nn.Module, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        return masked_error(network(batch.features), batch)

    def estimate(self, network: torch.nn.Module, batch: Batch, draws: int) -> torch.Tensor:
        return network(batch.features)


def test_one_key_gives_one_stream_and_another_key_another() -> None:
    one, same, other = (torch.rand(4, generator=keyed(*key)) for key in ((1, 2), (1, 2), (2, 1)))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_only_measured_genes_and_chosen_spots_count() -> None:
    known = Batch(torch.zeros(2, 1), torch.tensor([[1.0, 9.0], [3.0, 9.0]]), torch.tensor([1.0, 0.0]), np.zeros((2, 2)))
    assert masked_error(torch.zeros(2, 2), known) == 5.0
    assert masked_error(torch.zeros(2, 2), known, torch.tensor([0.0, 1.0])) == 9.0
    assert masked_error(torch.zeros(2, 2), known, torch.zeros(2)) == 0.0


def test_a_part_is_a_spot_and_those_nearest_to_it() -> None:
    whole = batch(50)
    part = whole.part(7, keyed(3))
    assert len(part.features) == 7
    centres = np.linalg.norm(whole.positions_um[:, None] - whole.positions_um, axis=-1)
    nearest = [set(map(tuple, whole.positions_um[np.argsort(row)[:7]])) for row in centres]
    assert set(map(tuple, part.positions_um)) in nearest
    assert whole.part(50, keyed(3)) is whole


def test_the_rate_rises_and_then_falls_to_a_hundredth() -> None:
    rates = [learning_rate(step, 500, 1.0) for step in range(500)]
    assert rates[0] < 0.05
    assert np.argmax(rates) in (49, 50)
    assert 0.009 < rates[-1] < 0.02


def test_a_line_is_found() -> None:
    network = torch.nn.Linear(2, 1)
    learned = train(
        network, Line(), [batch(seed=1)], [batch(seed=2)], Budget(steps=400, learning_rate=0.05), 0, silent, ""
    )
    torch.testing.assert_close(learned.weight, torch.tensor([[2.0, 0.0]]), atol=0.05, rtol=0)


def test_learning_stops_when_held_out_sections_gain_nothing() -> None:
    held_out = batch(seed=2)
    opposite = Batch(held_out.features, -held_out.values, held_out.counted, held_out.positions_um)
    told = []
    torch.manual_seed(0)
    train(
        torch.nn.Linear(2, 1),
        Line(),
        [batch(seed=1)],
        [opposite],
        Budget(steps=1000, check_every=5, patience=3),
        0,
        told.append,
        "x",
    )
    # Each look is worse than the first, so four looks are enough.
    assert [progress.done for progress in told] == [5, 10, 15, 20, 1000]


def test_with_many_sections_there_are_enough_steps_for_several_passes() -> None:
    told = []
    budget = Budget(steps=1, passes=2, slides_per_step=2)
    train(torch.nn.Linear(2, 1), Line(), [batch(5, seed) for seed in range(11)], [], budget, 0, told.append, "x")
    assert told[-1].total == 12
