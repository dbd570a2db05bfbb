"""Noise that belongs to a patch: what it is, and what it does not depend on."""

from __future__ import annotations

import subprocess
import sys
from statistics import NormalDist

import numpy as np
import pytest
import torch
from scipy import stats

from molf_engine.flow.solver import keyed_noise

# Keys as places on slides make them: x in the upper half, y in the lower.
PLACES = [0, 1, 2**32, (2**31 - 1) << 32 | 77, 2**63, 2**64 - 1]


def splitmix(state: int) -> int:
    """One output of SplitMix64, in Python's own integers."""
    bits = state % 2**64
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB % 2**64
    return bits ^ bits >> 31


def test_the_hash_is_splitmix64() -> None:
    golden = 0x9E3779B97F4A7C15
    # The published first outputs for the seed 0.
    assert [splitmix(golden * n) for n in (1, 2, 3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    seed, draw, width = 12345, 3, 5
    expected = []
    for key in PLACES:
        row = splitmix(splitmix(splitmix(seed) + golden * draw) ^ key)
        bits = [splitmix(row + golden * (column + 1)) >> 12 for column in range(width)]
        expected.append([NormalDist().inv_cdf((number + 0.5) / 2**52) for number in bits])
    np.testing.assert_allclose(keyed_noise(seed, PLACES, width, draw), expected, rtol=1e-6, atol=1e-7)


def test_it_belongs_to_the_patch_and_not_to_the_batch() -> None:
    keys = np.arange(1001) * 7919
    together = keyed_noise(7, keys, 37)
    for part in (slice(0, 1), slice(3, 20), slice(500, 1001)):
        torch.testing.assert_close(keyed_noise(7, keys[part], 37), together[part], rtol=0, atol=0)
    alone = keyed_noise(7, [int(keys[9])], 37)
    torch.testing.assert_close(alone, together[9:10], rtol=0, atol=0)
    assert not torch.equal(alone, keyed_noise(8, [int(keys[9])], 37))
    assert not torch.equal(alone, keyed_noise(7, [int(keys[9])], 37, draw=1))


def test_it_does_not_depend_on_the_order_nor_on_what_was_drawn_before() -> None:
    order = torch.randperm(500, generator=torch.Generator().manual_seed(1))
    noise = keyed_noise(7, range(500), 16)
    keyed_noise(1, range(20), 3)
    torch.testing.assert_close(keyed_noise(7, order.numpy(), 16), noise[order], rtol=0, atol=0)


def test_it_is_the_same_in_another_process() -> None:
    program = (
        "from molf_engine.flow.solver import keyed_noise\n"
        f"print(keyed_noise(2**63 - 1, {PLACES}, 9, draw=4).numpy().tobytes().hex())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == keyed_noise(2**63 - 1, PLACES, 9, draw=4).numpy().tobytes().hex()


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(np.arange(4000), id="rows"),
        pytest.param(2**63 - np.arange(4000, dtype=np.uint64), id="large"),
        pytest.param(
            (np.arange(4000, dtype=np.uint64) // 64 * 224 << 32) + np.arange(4000, dtype=np.uint64) % 64 * 224,
            id="places on a grid",
        ),
    ],
)
def test_it_is_standard_normal_and_independent(keys: np.ndarray) -> None:
    noise = keyed_noise(0, keys, 64).numpy()
    following = keyed_noise(0, keys, 64, draw=1).numpy()
    seed = keyed_noise(1, keys, 64).numpy()
    error = 4 / np.sqrt(noise.size)
    assert abs(noise.mean()) < error
    assert abs(noise.var() - 1) < error * np.sqrt(2)
    assert abs((noise**3).mean()) < error * np.sqrt(15)
    assert abs((noise**4).mean() - 3) < error * np.sqrt(96)
    assert stats.kstest(noise.ravel(), "norm").pvalue > 0.01
    # Every column and every patch by itself: four thousand tests, of which the worst may be this bad.
    assert np.abs(noise.mean(axis=0)).max() * np.sqrt(4000) < 4.5
    assert np.abs(noise.mean(axis=1)).max() * np.sqrt(64) < 5
    for other, own in (
        (following, noise),
        (seed, noise),
        (noise[1:], noise[:-1]),
        (noise[:, 1:], noise[:, :-1]),
        (noise[64:], noise[:-64]),
    ):
        assert abs((other * own).mean()) < 4 / np.sqrt(own.size)
        # Squares see what products of signs cannot.
        assert abs(((other**2 - 1) * (own**2 - 1)).mean()) < 4 * 2 / np.sqrt(own.size)


def test_no_two_patches_share_their_noise() -> None:
    first = keyed_noise(0, range(100_000), 2).numpy()
    assert len(np.unique(first, axis=0)) == 100_000


def test_no_patches_have_no_noise() -> None:
    assert keyed_noise(0, [], 8).shape == (0, 8)
