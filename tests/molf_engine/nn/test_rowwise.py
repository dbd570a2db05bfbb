"""Work in blocks of rows changes nothing but the memory it takes."""

from __future__ import annotations

import pytest
import torch

from molf_engine.nn import rowwise
from molf_engine.nn.context import Context
from molf_engine.nn.velocity import VelocityField


@pytest.mark.parametrize("kind", ["moe", "dense", "attention"])
@pytest.mark.parametrize("patches", [1, 8, 19])
def test_blocks_of_rows_give_what_all_rows_at_once_do(monkeypatch: pytest.MonkeyPatch, kind: str, patches: int) -> None:
    torch.manual_seed(0)
    field = VelocityField(8, Context(24, 3, 4, 32), 24, kind, experts=5, active=2, width=16, feedforward=32).eval()
    features, positions, z = torch.randn(patches, 24), torch.rand(patches, 2) * 5000, torch.randn(patches, 8)

    def outcome() -> list[torch.Tensor]:
        context = field.context(features, positions, 1)
        value, routing = field(z, torch.linspace(0, 1, patches), context)
        return [context, value] if routing is None else [context, value, *routing]

    whole = [part.detach() for part in outcome()]
    monkeypatch.setattr(rowwise, "_BLOCK_ROWS", 8)
    with torch.no_grad():
        for ours, expected in zip(outcome(), whole, strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_hidden_layers_never_see_more_rows_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowwise, "_BLOCK_ROWS", 8)
    seen = []

    def double(x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x))
        return 2 * x

    x = torch.arange(20.0)[:, None]
    assert torch.equal(rowwise.by_rows(double, x), 2 * x)
    assert max(seen) == 8
    assert rowwise.by_rows(double, x[:0]).shape == (0, 1)
