"""Slides that are read as they are needed train the same network as slides that are all in memory."""

from __future__ import annotations

from pathlib import Path
from threading import Event, current_thread

import numpy as np
import pytest
import torch

from molf_engine.errors import DataError
from molf_engine.progress import silent
from molf_engine.training.devices import make_fabric
from molf_engine.training.feeding import SlideFeed, in_order
from molf_engine.training.networks import train_networks
from molf_engine.training.slides import TrainingSlide, masked_statistics

from .child_steps import settings, slides

CPU = torch.device("cpu")


def fed(made: list[TrainingSlide], keep_bytes: float = 0.0) -> tuple[SlideFeed, list[int]]:
    """The slides as a feed, and the list of what was read from it."""
    reads: list[int] = []

    def read(index: int) -> TrainingSlide:
        reads.append(index)
        return made[index]

    return SlideFeed(read, len(made), CPU, keep_bytes), reads


def test_a_network_does_not_depend_on_what_is_kept_in_memory(tmp_path: Path) -> None:
    weights = []
    for name, keep in (("all", float("inf")), ("nothing", 0.0)):
        config = settings(1)
        feed, reads = fed(slides(), keep)
        networks = train_networks(
            config, feed, slides(1, seed=1), ("A", "Unknown"), tmp_path / name, make_fabric(config.training), silent
        )
        assert (len(reads) == len(feed)) == (name == "all")
        weights.append({**networks.vae.state_dict(), **networks.field.state_dict()})
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_slides_stay_in_memory_until_it_is_full() -> None:
    made = slides(3)
    feed, reads = fed(made, keep_bytes=made[0].nbytes + made[1].nbytes)
    for _ in range(2):
        for index in range(3):
            assert feed[index] is made[index]
    assert reads == [0, 1, 2, 2]


def test_slides_come_in_the_order_asked_for_and_the_next_are_read_meanwhile() -> None:
    made, started = slides(4), {index: Event() for index in range(4)}
    threads = set()

    def read(index: int) -> TrainingSlide:
        threads.add(current_thread().name)
        started[index].set()
        return made[index]

    stream = in_order(SlideFeed(read, 4, CPU, 0), [3, 0, 2, 1])
    assert next(stream) is made[3]
    # Nobody has asked for this one yet.
    assert started[0].wait(10)
    assert list(stream) == [made[0], made[2], made[1]]
    assert current_thread().name not in threads


def test_waiting_is_counted_where_slides_are_read_and_not_where_they_are_kept() -> None:
    feed, _ = fed(slides(3), keep_bytes=float("inf"))
    list(in_order(feed, range(3)))
    first = feed.waited
    assert first > 0
    list(in_order(feed, range(3)))
    assert feed.waited == first


def test_a_slide_that_cannot_be_read_stops_the_training_with_its_own_error() -> None:
    def read(index: int) -> TrainingSlide:
        raise DataError(f"section {index} is broken")

    with pytest.raises(DataError, match="section 1 is broken"):
        list(in_order(SlideFeed(read, 2, CPU, 0), [1, 0]))


def test_statistics_over_slides_are_those_of_all_rows_together() -> None:
    rng = np.random.default_rng(0)
    tables = [(rng.gamma(2.0, size=(spots, 3)).astype(np.float32), np.array(mask)) for spots, mask in
              ((5, [1, 1, 0]), (9, [1, 0, 0]))]  # fmt: skip
    mean, sd = masked_statistics(lambda: iter(tables))
    first = np.concatenate([values[:, 0] for values, _ in tables]).astype(np.float64)
    np.testing.assert_allclose([mean[0], sd[0]], [first.mean(), first.std()], rtol=1e-12)
    np.testing.assert_allclose([mean[1], sd[1]], [tables[0][0][:, 1].mean(), tables[0][0][:, 1].std()], rtol=1e-6)
    assert (mean[2], sd[2]) == (0, 1)
