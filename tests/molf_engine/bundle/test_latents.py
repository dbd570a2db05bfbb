"""What is kept from slide to slide, and what a lower precision changes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from molf_engine.bundle import latents
from molf_engine.bundle.latents import Branches, sample_latents, slide_latents
from molf_engine.nn.context import Context
from molf_engine.nn.velocity import VelocityField

PATCHES, FEATURES = 30, 24


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    latents.forget()
    yield
    latents.forget()


def published(seed: int = 0, position: str = "row-order", null: str = "slide-features") -> VelocityField:
    torch.manual_seed(seed)
    context = Context(FEATURES, 3, 4, 32, position=position, null=null)
    return VelocityField(8, context, FEATURES, experts=5, width=16, feedforward=32).eval()


def slide(seed: int = 0, patches: int = PATCHES) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(patches, FEATURES)).astype(np.float32), rng.uniform(0, 5e3, (patches, 2))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each unconditional context that was computed."""
    calls: list[int] = []
    compute = Context.unconditional

    def counting(self: Context, positions: torch.Tensor, code: int) -> torch.Tensor:
        calls.append(code)
        return compute(self, positions, code)

    monkeypatch.setattr(Context, "unconditional", counting)
    return calls


def test_slides_of_one_size_share_the_published_unconditional_context(counted: list[int]) -> None:
    first = slide_latents(published(), *slide(0), 1)
    # Loaded anew, as for each slide of a cohort.
    second = slide_latents(published(), *slide(1), 1)
    assert counted == [1]
    np.testing.assert_array_equal(first.unconditional, second.unconditional)
    latents.forget()
    np.testing.assert_array_equal(slide_latents(published(), *slide(1), 1).unconditional, second.unconditional)


def test_another_size_code_precision_or_weight_is_computed_anew(counted: list[int]) -> None:
    field = published()
    slide_latents(field, *slide(), 1)
    slide_latents(field, *slide(patches=PATCHES + 1), 1)
    slide_latents(field, *slide(), 2)
    slide_latents(field, *slide(), 1, precision="bfloat16")
    slide_latents(published(seed=1), *slide(), 1)
    assert len(counted) == 5
    before = slide_latents(field, *slide(), 1).unconditional
    with torch.no_grad():
        field.context.null += 1
    assert not np.allclose(slide_latents(field, *slide(), 1).unconditional, before, atol=1e-4)


def test_only_two_contexts_are_kept(counted: list[int]) -> None:
    field = published()
    for code in (0, 1, 0, 2, 0, 1):
        slide_latents(field, *slide(), code)
    assert counted == [0, 1, 2, 1]


@pytest.mark.parametrize(("position", "null"), [("grid-2d", "slide-features"), ("row-order", "patch-context")])
def test_what_depends_on_the_slide_or_costs_nothing_is_not_kept(counted: list[int], position: str, null: str) -> None:
    field = published(position=position, null=null)
    slide_latents(field, *slide(0), 1)
    slide_latents(field, *slide(1), 1)
    assert len(counted) == 2


def test_bfloat16_moves_latents_by_its_rounding_alone() -> None:
    field = published()
    full, half = (slide_latents(field, *slide(), 1, precision=p) for p in ("float32", "bfloat16"))  # type: ignore[arg-type]
    assert half.conditional.dtype == np.float32
    for name in ("conditional", "unconditional", "gate_logits"):
        one, other = getattr(full, name), getattr(half, name)
        assert 0 < np.abs(one - other).max() < 0.05 * np.abs(one).max()
    settings = {"guidance": 2.0, "steps": 2, "seed": 0, "draws": 1}
    (end,) = sample_latents(field, *slide(), 1, precision="bfloat16", **settings)  # type: ignore[arg-type]
    (shared,) = sample_latents(field, *slide(), 1, branches=Branches(field, *slide(), 1, "bfloat16"), **settings)  # type: ignore[arg-type]
    assert end.dtype == np.float32
    np.testing.assert_array_equal(end, shared)
