"""Fits section by section are the fits of all rows at once."""

from __future__ import annotations

import numpy as np
import pytest

from molf_engine.baselines import MLP, SLIDE_RIVALS, DepthOnly, Ridge
from molf_engine.baselines.row_rival import mlp

from .sections import GENES, FromDisk, section, sections


def rows(slides) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    measured = [np.broadcast_to(slide.measured, slide.targets.shape) for slide in slides]
    columns = [slide.features for slide in slides], [slide.targets for slide in slides], measured
    features, targets, mask = (np.concatenate(column) for column in columns)
    return features, targets, mask, np.concatenate([slide.log_total for slide in slides])


@pytest.mark.parametrize(("name", "in_memory"), [("ridge", Ridge()), ("depth", DepthOnly())])
def test_closed_forms_agree_to_a_millionth(name: str, in_memory) -> None:
    slides, new = sections(4), section(9)
    in_memory.fit(*rows(slides))
    predicted = SLIDE_RIVALS[name]().fit(slides, [], GENES).predict(new)
    np.testing.assert_allclose(predicted.values, in_memory.predict(new.features), atol=1e-6, rtol=1e-6)
    np.testing.assert_allclose(np.log(predicted.total), in_memory.log_total(new.features), rtol=1e-6)


@pytest.mark.parametrize("name", ["ridge", "depth"])
def test_held_out_sections_never_reach_closed_forms(name: str) -> None:
    slides, new = sections(3), section(9)
    first = SLIDE_RIVALS[name]().fit(slides, [], GENES).predict(new)
    second = SLIDE_RIVALS[name]().fit(slides, [section(5)], GENES).predict(new)
    np.testing.assert_array_equal(first.values, second.values)


@pytest.mark.parametrize("name", ["ridge", "depth", "mlp"])
def test_sections_are_held_one_at_a_time(name: str) -> None:
    slides = FromDisk(6)
    rival = mlp(50, MLP(hidden=(4,), epochs=1)) if name == "mlp" else SLIDE_RIVALS[name]()
    rival.fit(slides, [], GENES)
    # One that is learned from, and the next one being read.
    assert slides.most_alive <= 2


def test_the_network_learns_from_all_rows_where_there_are_few() -> None:
    slides, held_out, new = sections(2), [section(4)], section(9)
    together = rows([*slides, *held_out])
    validation = np.arange(len(together[0])) >= sum(len(slide.features) for slide in slides)
    settings = {"hidden": (8,), "epochs": 4}
    expected = MLP(**settings).fit(*together, seed=3, validation=validation).predict(new.features)
    rival = mlp(network=MLP(**settings)).fit(slides, held_out, GENES, seed=3)
    np.testing.assert_array_equal(rival.predict(new).values, expected)


def test_of_many_rows_the_network_learns_from_some_drawn_by_the_seed() -> None:
    def fitted(seed: int) -> np.ndarray:
        return mlp(20, MLP(hidden=(8,), epochs=2)).fit(sections(3), [], GENES, seed).predict(section(9)).values

    np.testing.assert_array_equal(fitted(1), fitted(1))
    assert not np.allclose(fitted(1), fitted(2))
