"""Attention in blocks of queries, and the masks of its dropout."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from molf_engine.nn import attention as module
from molf_engine.nn.attention import attention
from molf_engine.nn.dropout import Dropout, keep_mask

Parts = tuple[Tensor, Tensor, Tensor]


def parts(queries: int, keys: int, heads: int = 3, width: int = 5) -> Parts:
    torch.manual_seed(0)
    shapes = ((queries, heads, width), (keys, heads, width), (keys, heads, width))
    return tuple(torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes)  # type: ignore[return-value]


def explicit(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | float = 1.0) -> Tensor:
    """With the whole matrix of probabilities, ``mask`` (heads, P, Q)."""
    scores = torch.einsum("phw,qhw->hpq", query, key) / query.shape[-1] ** 0.5
    return torch.einsum("hpq,qhw->phw", scores.softmax(dim=-1) * mask, value)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_ROWS", 4)


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (4, 4), (11, 11), (6, 2), (3, 0), (0, 0)])
def test_blocks_are_what_other_devices_run_gradients_included(queries: int, keys: int) -> None:
    given = parts(queries, keys)
    expected = module._fused(*given, 0.0)
    found = attention(*given)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(found)
    for ours, theirs in zip(
        torch.autograd.grad(found, given, weights), torch.autograd.grad(expected, given, weights), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_gradients_with_dropout_are_those_of_the_explicit_formula_with_the_same_mask() -> None:
    given, dropout = parts(11, 11), 0.3
    torch.manual_seed(5)
    found = attention(*given, dropout)
    torch.manual_seed(5)
    generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
    masks = [
        torch.cat([keep_mask(torch.empty(rows, 11), dropout, generator) for rows in (4, 4, 3)])
        for _ in range(given[0].shape[1])
    ]
    mask = torch.stack(masks).double()
    assert 0 < mask.mean() < 1
    expected = explicit(*given, mask / (1 - dropout))
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(found)
    for ours, theirs in zip(
        torch.autograd.grad(found, given, weights), torch.autograd.grad(expected, given, weights), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


@torch.no_grad()
def test_the_mean_over_many_masks_is_attention_without_dropout() -> None:
    given = parts(8, 8, heads=2)
    torch.manual_seed(1)
    draws = torch.stack([attention(*given, 0.1) for _ in range(4000)])
    error = (draws.mean(0) - attention(*given)) / (draws.std(0) / len(draws) ** 0.5)
    assert error.abs().max() < 5
    assert draws.std(0).min() > 0


def test_dropout_follows_the_global_seed() -> None:
    given = parts(9, 9)

    def drawn(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return attention(*given, 0.5)

    assert torch.equal(drawn(3), drawn(3))
    assert not torch.equal(drawn(3), drawn(4))


@pytest.mark.parametrize("dropout", [0.001, 0.1, 0.5, 0.9])
def test_masks_drop_the_share_they_should(dropout: float) -> None:
    like = torch.empty(1000, 2001)
    mask = keep_mask(like, dropout, torch.Generator().manual_seed(0))
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    expected = 1 - dropout
    # The share varies with the entries, and a little more with what rows have in common.
    spread = (expected * dropout / like.numel() + 0.25 / 256**2 / len(like)) ** 0.5
    assert abs(float(mask.mean()) - expected) < 5 * spread
    for axis in (0, 1):
        assert (mask.mean(axis) - expected).abs().max() < 0.1


def test_neighbours_in_a_mask_are_independent() -> None:
    mask = keep_mask(torch.empty(2000, 1000), 0.1, torch.Generator().manual_seed(0)) - 0.9
    for one, other in ((mask[:, 1:], mask[:, :-1]), (mask[1:], mask[:-1]), (mask[:, 8:], mask[:, :-8])):
        assert abs(float((one * other).mean()) / 0.09) < 5 / one.numel() ** 0.5 + 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_keeps_the_mean_and_is_off_in_evaluation(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    module, x = Dropout(0.1), torch.ones(500, 501, dtype=dtype, requires_grad=True)
    dropped = module(x)
    assert dropped.dtype == dtype
    assert abs(float(dropped.float().mean().detach()) - 1) < 0.01
    (gradient,) = torch.autograd.grad(dropped.sum(), x)
    assert torch.equal(gradient, dropped)
    assert module.eval()(x) is x
    assert Dropout(0.0)(x) is x
