"""The switches of the expert maps."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QLabel

from napari_molf.experts.panel import ExpertPanel, shares
from tests.napari_molf.fakes import fake_run


@pytest.fixture
def panel(qtbot) -> ExpertPanel:
    widget = ExpertPanel()
    qtbot.addWidget(widget)
    widget.resize(252, 160)
    widget.show()
    return widget


@pytest.fixture
def said(panel: ExpertPanel) -> list:
    seen: list = []
    panel.routing_chosen.connect(lambda kind, expert: seen.append((kind, expert)))
    return seen


def test_at_most_one_map_is_on(qtbot, panel: ExpertPanel, said: list) -> None:
    panel.set_run(fake_run())
    panel.top.click()
    panel.entropy.click()
    panel.weight.click()
    panel.weight.click()
    assert said == [("expert", 0), ("entropy", 0), ("weight", 0), (None, 0)]
    assert panel.chosen is None


def test_another_expert_is_shown_at_once_if_its_map_is_on(qtbot, panel: ExpertPanel, said: list) -> None:
    panel.set_run(fake_run())
    panel.which.setCurrentIndex(1)
    assert said == []
    panel.weight.click()
    panel.which.setCurrentIndex(2)
    assert said == [("weight", 1), ("weight", 2)]


def test_the_key_names_every_expert_with_its_share(panel: ExpertPanel) -> None:
    run = fake_run()
    panel.set_run(run)
    panel.top.click()
    texts = [label.text() for label in panel._key.findChildren(QLabel) if label.text()]
    expected = shares(run.scores.top_expert, 3)
    assert texts == [f"E{i + 1}  {100 * s:.0f} %" for i, s in enumerate(expected)]
    assert panel._key.isVisible()


def test_without_a_run_or_with_one_expert_nothing_can_be_switched(panel: ExpertPanel) -> None:
    assert not panel.top.isEnabled() and not panel.weight.isEnabled()
    panel.set_run(fake_run(experts=1))
    assert not panel.top.isEnabled() and not panel.entropy.isEnabled()
    panel.set_run(fake_run())
    assert panel.top.isEnabled() and panel.weight.isEnabled()


def test_too_many_experts_for_colours_keep_their_weights(panel: ExpertPanel) -> None:
    panel.set_run(fake_run(experts=24))
    assert not panel.top.isEnabled() and "24 experts" in panel.top.toolTip()
    assert panel.weight.isEnabled() and panel.which.count() == 24


def test_shares_add_up() -> None:
    assert np.allclose(shares(np.array([0, 0, 2, 2, 2]), 4), [0.4, 0, 0.6, 0])
