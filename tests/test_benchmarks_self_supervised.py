"""The small network of ``benchmarks/self_supervised.py``: its views, its loss, and that a seed fixes it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

PROGRAM = Path(__file__).resolve().parents[1] / "benchmarks" / "small_network.py"


@pytest.fixture(scope="module")
def small() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("small_network", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def draw() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_square_that_is_cut_out_is_what_is_there(small: ModuleType) -> None:
    maps = torch.arange(3 * 20 * 30.0).reshape(3, 20, 30)
    square = small.cut(maps, torch.tensor([[12.0, 9.0]]), torch.ones(1), 8)
    torch.testing.assert_close(square[0], maps[:, 5:13, 8:16], rtol=0, atol=1e-3)


def test_beyond_the_slide_is_glass(small: ModuleType) -> None:
    square = small.cut(torch.ones(3, 20, 20), torch.tensor([[0.0, 10.0]]), torch.ones(1), 8)
    assert square[..., :4].abs().max() < 1e-5
    assert square[..., 4:].min() == pytest.approx(1)


def test_a_view_is_turned_in_any_of_eight_ways_and_keeps_its_pixels(small: ModuleType, draw: torch.Generator) -> None:
    views = torch.arange(3 * 16.0).reshape(1, 3, 4, 4).repeat(200, 1, 1, 1)
    turned = small.turned(views, draw)
    assert len({tuple(view.ravel().tolist()) for view in turned}) == 8
    torch.testing.assert_close(turned.flatten(2).sort().values, views.flatten(2).sort().values)


def test_glass_stays_glass_and_density_stays_positive_in_other_stain(small: ModuleType, draw: torch.Generator) -> None:
    views = torch.rand(16, 3, 8, 8, generator=draw)
    views[..., :4] = 0
    again = small.restained(views, 1.4, draw)
    assert again[..., :4].abs().max() == 0
    assert again[:, small.DENSITY].min() >= 0
    ratio = again[:, small.HAEMATOXYLIN, :, 4:] / views[:, small.HAEMATOXYLIN, :, 4:]
    assert 1 / 1.41 < ratio.min() < ratio.max() < 1.41


def test_blur_keeps_shape_and_what_is_even(small: ModuleType, draw: torch.Generator) -> None:
    views = torch.full((6, 3, 12, 12), 0.7)
    torch.testing.assert_close(small.blurred(views, 2.0, draw), views)


def test_the_loss_of_an_ideal_embedding_is_nought_and_of_a_collapsed_one_is_not(
    small: ModuleType, draw: torch.Generator
) -> None:
    ideal = torch.linalg.qr(torch.randn(64, 5, generator=draw))[0][:, 1:]
    ideal = ideal - ideal.mean(dim=0)
    ideal = torch.linalg.qr(ideal)[0] * 8.5
    assert small.vicreg_loss(ideal, ideal, 1) < 1e-6
    assert small.vicreg_loss(ideal * 0, ideal * 0, 1) > 20


def test_telling_slides_apart_wins_nothing(small: ModuleType, draw: torch.Generator) -> None:
    first, second = torch.randn(2, 40, 6, generator=draw)
    offset = torch.tensor([0.0, 9.0]).repeat_interleave(20)[:, None]
    alone = small.vicreg_loss(first, second, 2)
    torch.testing.assert_close(small.vicreg_loss(first + offset, second + offset, 2), alone, rtol=1e-4, atol=1e-4)


def test_a_seed_fixes_the_network_and_training_lowers_the_loss(small: ModuleType, draw: torch.Generator) -> None:
    coarse = torch.rand(1, 3, 6, 6, generator=draw)
    maps = torch.nn.functional.interpolate(coarse, size=(96, 96))[0]
    tissue = small.Tissue(maps, 16 + 64 * torch.rand(50, 2, generator=draw), 2.0)
    settings = small.Settings(steps=16, batch=32, view_px=16, width=4, shift_px=1.0)
    losses: list[float] = []
    networks = [
        small.train_network([tissue], settings, seed, lambda _, loss: losses.append(loss)) for seed in (0, 0, 1)
    ]
    images = maps[None, :, :32, :32].numpy()
    one, same, other = (small.network_features(network, images, (1.0, 0.5), (2, 3)) for network in networks)
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3
    assert one.shape == (1, 2 * (16 + 32))
    assert np.mean(losses[12:16]) < np.mean(losses[:4])
