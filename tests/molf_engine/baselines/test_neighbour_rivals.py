"""What the rivals that see neighbours add to those that see one patch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from molf_engine.baselines import RivalSlide
from molf_engine.baselines.fitting import Budget
from molf_engine.baselines.neighbourhood import nearest
from molf_engine.baselines.stflow import STFlow, STFlowSettings
from molf_engine.baselines.stpath import STPath, STPathSettings

from .sections import GENES, section, sections


def of_neighbours(seed: int, spots: int = 120) -> RivalSlide:
    """A gene that follows the mean feature of a spot's neighbours, its own included."""
    rng = np.random.default_rng(seed)
    positions, features = rng.uniform(0, 2000, (spots, 2)), rng.normal(size=(spots, 1)).astype(np.float32)
    near = nearest(positions, 6)
    mean = (features[near.index, 0] * near.known).sum(axis=1) / near.known.sum(axis=1)
    targets = (2 + mean)[:, None].astype(np.float32)
    return RivalSlide(f"N{seed}", features, positions, targets, np.array([True]), np.full(spots, 7.0))


@pytest.mark.parametrize(
    "rival",
    [
        STFlow(STFlowSettings(width=16, heads=2, layers=1, neighbours=6, dropout=0.0), Budget(steps=200)),
        STPath(STPathSettings(width=16, heads=2, layers=1, neighbours=6, dropout=0.0), Budget(steps=200)),
    ],
    ids=["stflow", "stpath"],
)
def test_what_only_neighbours_tell_is_learned(rival) -> None:
    rival.budget = replace(rival.budget, learning_rate=3e-3)
    rival.fit([of_neighbours(0), of_neighbours(1)], [of_neighbours(2)], ("A",))
    slide = of_neighbours(3)
    alone = np.corrcoef(slide.features[:, 0], slide.targets[:, 0])[0, 1]
    learned = np.corrcoef(rival.predict(slide).values[:, 0], slide.targets[:, 0])[0, 1]
    assert learned > max(0.8, alone + 0.1)


@pytest.mark.parametrize("rival", [STFlow, STPath])
def test_on_a_regular_array_turning_by_any_angle_changes_nothing(rival) -> None:
    small = rival(budget=Budget(steps=2)).fit(sections(2), [], GENES)
    x, y = np.meshgrid(np.arange(6) * 200.0, np.arange(6) * 200.0)
    slide = replace(section(9, 36), positions_um=np.column_stack([x.ravel(), y.ravel()]))
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = replace(slide, positions_um=slide.positions_um @ turn.T)
    np.testing.assert_allclose(small.predict(turned).values, small.predict(slide).values, atol=1e-4)


def test_far_spots_have_no_influence() -> None:
    rival = STPath(STPathSettings(layers=1, neighbours=4), Budget(steps=2)).fit(sections(2), [], GENES)
    slide = section(9, 60)
    near = nearest(slide.positions_um, 4)
    changed = slide.features.copy()
    other = [spot for spot in range(60) if spot not in near.index[0][near.known[0]]]
    changed[other] += 5
    one, two = (rival.predict(replace(slide, features=f)).values for f in (slide.features, changed))
    np.testing.assert_allclose(one[0], two[0], atol=1e-5)
    assert not np.allclose(one[other], two[other], atol=1e-3)


def test_organ_and_technology_tell_and_unknown_ones_share_one_token() -> None:
    def with_offset(number: int, organ: str, offset: float) -> RivalSlide:
        slide = section(number)
        return replace(slide, organ=organ, targets=slide.targets + np.float32(offset))

    slides = [with_offset(0, "Lung", 0.0), with_offset(2, "Breast", 3.0)]
    rival = STPath(STPathSettings(width=16, heads=2, layers=1), Budget(steps=150, learning_rate=3e-3)).fit(
        slides, [], GENES
    )
    new = section(9)
    lung, breast, unknown, none = (
        rival.predict(replace(new, organ=organ)).values[:, 0].mean() for organ in ("Lung", "Breast", "Tonsil", "")
    )
    assert breast - lung > 1.5
    assert unknown == none
    # Trained by hiding the organ, the unknown token stands for both.
    assert lung < unknown < breast
