"""Latents of a slide: the order of its patches, the branches that are evaluated, steps, draws and noise.

The network has random weights: none of this depends on what was learned.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from molf_engine.bundle.latents import Branches, noise_keys, sample_latents, slide_latents
from molf_engine.flow.guidance import guide
from molf_engine.nn.context import Context
from molf_engine.nn.velocity import VelocityField

PATCHES, FEATURES, CODE = 30, 24, 1
KEYS = np.arange(PATCHES) * 1000 + 17


def network(position: str = "grid-2d", null: str = "patch-context", kind: str = "moe") -> VelocityField:
    torch.manual_seed(0)
    context = Context(FEATURES, 3, 4, 32, position=position, null=null)
    return VelocityField(8, context, FEATURES, kind, experts=5, active=2, width=16, feedforward=32).eval()


@pytest.fixture
def slide() -> tuple[np.ndarray, np.ndarray]:
    """Features (P, D) and positions (P, 2)."""
    random = np.random.default_rng(2)
    return random.standard_normal((PATCHES, FEATURES)).astype(np.float32), random.uniform(0, 5000, (PATCHES, 2))


def sampled(
    field: VelocityField, features: np.ndarray, positions: np.ndarray, keys: np.ndarray = KEYS, **changes: object
) -> list[np.ndarray]:
    settings: dict[str, object] = {"guidance": 2.0, "steps": 3, "seed": 5, "draws": 2, **changes}
    return sample_latents(field, features, positions, CODE, keys=keys, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("null", ["patch-context", "slide-features"])
@pytest.mark.parametrize("kind", ["moe", "dense", "attention"])
def test_with_true_positions_a_permutation_of_patches_permutes_everything(
    slide: tuple[np.ndarray, np.ndarray], kind: str, null: str
) -> None:
    field, order = network(kind=kind, null=null), np.random.default_rng(3).permutation(PATCHES)
    features, positions = slide
    there = slide_latents(field, features, positions, CODE)
    here = slide_latents(field, features[order], positions[order], CODE)
    for name in ("conditional", "unconditional", "gate_logits", "routing"):
        np.testing.assert_allclose(getattr(here, name), getattr(there, name)[order], atol=1e-5, err_msg=name)
    permuted = sampled(field, features[order], positions[order], KEYS[order])
    for one, other in zip(permuted, sampled(field, features, positions), strict=True):
        np.testing.assert_allclose(one, other[order], atol=1e-5)


def test_with_row_order_it_changes_the_result(slide: tuple[np.ndarray, np.ndarray]) -> None:
    field, order = network("row-order"), np.arange(PATCHES)[::-1]
    features, positions = slide
    there = slide_latents(field, features, positions, CODE).conditional[order]
    here = slide_latents(field, features[order], positions[order], CODE).conditional
    assert np.abs(here - there).max() > 1e-3
    one, other = (
        sampled(field, features[order], positions[order], KEYS[order])[0],
        sampled(field, features, positions)[0],
    )
    assert np.abs(one - other[order]).max() > 1e-3


@pytest.mark.parametrize("guidance", [0.0, 0.5, 1.0, 4.0])
def test_one_step_from_no_noise_is_the_guided_mean(
    slide: tuple[np.ndarray, np.ndarray], guidance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = network()
    latents = slide_latents(field, *slide, CODE)
    monkeypatch.setattr("molf_engine.flow.solver.keyed_noise", lambda *_: torch.zeros(PATCHES, 8))
    (end,) = sampled(field, *slide, guidance=guidance, steps=1, draws=1)
    np.testing.assert_allclose(end, guide(latents.conditional, latents.unconditional, guidance), atol=1e-5)


@pytest.mark.parametrize(("guidance", "idle"), [(1.0, "unconditional"), (0.0, "forward")])
def test_the_context_of_a_branch_that_does_not_count_is_not_computed(
    slide: tuple[np.ndarray, np.ndarray], guidance: float, idle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = network(null="slide-features")
    expected = sampled(field, *slide, guidance=guidance)

    def refuse(*_: object) -> None:
        pytest.fail(f"{idle} was evaluated")

    monkeypatch.setattr(field.context, idle, refuse)
    for one, other in zip(sampled(field, *slide, guidance=guidance), expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_guidance_no_image_counts(slide: tuple[np.ndarray, np.ndarray]) -> None:
    field = network()
    features, positions = slide
    one, other = (sampled(field, values, positions, guidance=0.0)[0] for values in (features, -features))
    np.testing.assert_array_equal(one, other)


def test_an_interval_lies_between_no_guidance_and_all_of_it(slide: tuple[np.ndarray, np.ndarray]) -> None:
    field = network()
    plain = sampled(field, *slide, guidance=1.0, steps=8)[0]
    whole = sampled(field, *slide, guidance=3.0, steps=8)[0]
    part = sampled(field, *slide, guidance=3.0, steps=8, interval=(0.25, 0.5))[0]
    assert 0 < np.abs(part - plain).mean() < np.abs(whole - plain).mean()
    np.testing.assert_array_equal(whole, sampled(field, *slide, guidance=3.0, steps=8, interval=(0.0, 1.0))[0])
    np.testing.assert_array_equal(plain, sampled(field, *slide, guidance=1.0, steps=8, interval=(0.25, 0.5))[0])


@pytest.mark.parametrize("steps", [1, 2, 5, 33])
def test_any_number_of_steps_can_be_taken(slide: tuple[np.ndarray, np.ndarray], steps: int) -> None:
    ends = sampled(network(), *slide, steps=steps, draws=3)
    assert [end.shape for end in ends] == [(PATCHES, 8)] * 3
    assert np.isfinite(ends).all()
    assert not np.array_equal(ends[0], ends[1])


def test_fewer_draws_are_the_first_of_more(slide: tuple[np.ndarray, np.ndarray]) -> None:
    field = network()
    np.testing.assert_array_equal(sampled(field, *slide, draws=4)[:2], sampled(field, *slide, draws=2))


def test_the_noise_does_not_change_with_the_guidance_scale(slide: tuple[np.ndarray, np.ndarray]) -> None:
    starts: list[torch.Tensor] = []
    field = network()
    field.register_forward_pre_hook(lambda _, arguments: starts.append(arguments[0]))
    for guidance in (0.0, 1.0, 2.5):
        sampled(field, *slide, guidance=guidance, steps=1, draws=1)
    assert len(starts) == 4
    assert all(torch.equal(start, starts[0]) for start in starts)


def test_shared_contexts_are_computed_once(slide: tuple[np.ndarray, np.ndarray]) -> None:
    field = network(null="slide-features")
    alone = slide_latents(field, *slide, CODE), sampled(field, *slide)
    calls: list[object] = []
    layer = field.context.layer
    layer.register_forward_hook(lambda *_: calls.append(None))
    branches = Branches(field, *slide, CODE)
    together = slide_latents(field, *slide, CODE, branches=branches), sampled(field, *slide, branches=branches)
    assert len(calls) == 2
    np.testing.assert_array_equal(together[0].conditional, alone[0].conditional)
    np.testing.assert_array_equal(together[1], alone[1])


def test_the_key_of_a_patch_is_its_place() -> None:
    centres = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [2.0**31 - 1, 2.0**31 - 1], [100.4, 7.6]])
    keys = noise_keys(centres)
    assert len(set(keys.tolist())) == len(centres)
    assert int(keys[3]) == (2**31 - 1) * (2**32 + 1)
    assert int(keys[4]) == 100 << 32 | 8
