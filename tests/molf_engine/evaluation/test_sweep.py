"""A guidance sweep measures every scale from two end points, and takes what the paper's filter and ranking take."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from molf_engine.errors import ConfigError, DataError
from molf_engine.evaluation import metrics
from molf_engine.evaluation.sweep import SectionSweep, Sweep, sweep, sweep_section
from molf_engine.genes import panel
from tests.molf_engine.evaluation.made_up import a_section

GENES = panel("molf-1386")[:5]


def test_each_scale_is_decoded_from_the_extrapolated_latents() -> None:
    expression, _ = a_section("a", GENES, seed=0)
    rng = np.random.default_rng(1)
    conditional, unconditional, weights = rng.normal(size=(60, 3)), rng.normal(size=(60, 3)), rng.normal(size=(3, 5))
    found = sweep_section(conditional, unconditional, lambda z: z @ weights, expression, "log1p", (0.0, 1.0, 2.5))
    for place, latents in enumerate((unconditional, conditional, 2.5 * conditional - 1.5 * unconditional)):
        predicted, measured = latents @ weights, expression.counts_log1p
        assert found.mse[place] == pytest.approx(metrics.mse(predicted, measured))
        assert found.w1[place] == pytest.approx(metrics.wasserstein_per_spot(predicted, measured))
        assert found.cosine[place] == pytest.approx(metrics.cosine(predicted, measured))


def test_measures_are_means_over_sections() -> None:
    sections = [
        SectionSweep(name, (1.0, 2.0), (m, 1.0), (0.2, 0.3), (0.5, 0.6)) for name, m in (("a", 1.0), ("b", 3.0))
    ]
    found = sweep(sections, model="molf", units="log1p")
    assert found.mse == (2.0, 1.0)
    assert (found.sections, found.role) == (("a", "b"), "validation")


Known = dict[int, float]


def of_paper(scales: range, w1: Known, cosine: Known, mse: Known, rest: tuple[float, float, float]) -> Sweep:
    """A sweep from the figures that are known; ``rest`` (MSE, W1, cosine) stands for those that are not."""
    columns = [tuple(known.get(w, other) for w in scales) for known, other in zip((mse, w1, cosine), rest, strict=True)]
    return sweep([SectionSweep("all", tuple(map(float, scales)), *columns)], model="MoLF", units="log1p")


def test_the_papers_choice_on_its_first_split() -> None:
    """The paper takes w = 3 on split 0.

    Its Table 13 is known here in part: W1 is smallest at w = 6 (.155), so .1628 passes, which holds for 1 to 7 and for 9; the cosine
    is .233 at 2, 3 and 4, the highest, and the MSE .189 at 3 and 4.  What is not known is filled in so that it neither passes nor wins.
    """
    found = of_paper(
        range(1, 11),
        w1={6: 0.155, 8: 0.163, 10: 0.163},
        cosine={2: 0.233, 3: 0.233, 4: 0.233},
        mse={3: 0.189, 4: 0.189},
        rest=(0.190, 0.160, 0.232),
    )
    assert found.limit == pytest.approx(0.16275)
    assert [int(w) for w, passes in zip(found.scales, found.valid, strict=True) if passes] == [1, 2, 3, 4, 5, 6, 7, 9]
    assert found.scale == 3


def test_the_papers_choice_on_its_second_split() -> None:
    """The paper takes w = 2 on split 1.

    W1 is at least .157, so .1649 passes, which holds for 1, 2 and 3; of these w = 2 has the highest cosine, .253.
    """
    found = of_paper(
        range(1, 11), w1={1: 0.157, 2: 0.160, 3: 0.164}, cosine={2: 0.253}, mse={}, rest=(0.19, 0.17, 0.252)
    )
    assert found.limit == pytest.approx(0.16485)
    assert [int(w) for w, passes in zip(found.scales, found.valid, strict=True) if passes] == [1, 2, 3]
    assert found.scale == 2


def test_a_sweep_comes_back_from_json() -> None:
    found = sweep(
        [SectionSweep("a", (1.0, 2.0), (1.0, 2.0), (0.2, 0.3), (0.5, 0.6))],
        model="molf",
        units="log1p",
        split="s",
        seed=4,
    )
    assert Sweep.from_json(json.loads(json.dumps(found.as_json()))) == found
    with pytest.raises(DataError, match="sweep"):
        Sweep.from_json({"scales": [1.0]})


def test_nonsense_is_refused() -> None:
    expression, _ = a_section("a", GENES, seed=0)
    for scales in ((), (-1.0,), (np.nan,)):
        with pytest.raises(ConfigError):
            sweep_section(
                np.zeros((60, 2)), np.zeros((60, 2)), lambda z: np.zeros((60, 5)), expression, "log1p", scales
            )
    one = SectionSweep("a", (1.0,), (1.0,), (1.0,), (1.0,))
    for sections in ([], [one, dataclasses.replace(one, scales=(2.0,))]):
        with pytest.raises(DataError, match="same scales"):
            sweep(sections, model="molf", units="log1p")
