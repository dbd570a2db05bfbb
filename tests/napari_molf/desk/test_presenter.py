"""Which score of which run is on the map."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_molf.core.layers import run_of
from napari_molf.core.maps import robust_limits
from napari_molf.core.scores import Score
from napari_molf.core.threshold import Threshold
from napari_molf.core.views import Minus, Wanted
from napari_molf.desk.presenter import Presenter
from tests.napari_molf.fakes import FakeGuided, fake_bundle, fake_run

EPCAM, CD3E, HYPOXIA = Score("gene", "EPCAM"), Score("gene", "CD3E"), Score("hallmark", "HYPOXIA")


@pytest.fixture
def presenter(qtbot, model):
    presenter = Presenter(model)
    yield presenter
    presenter.stop()


@pytest.fixture
def shown(presenter: Presenter) -> list:
    seen: list = []
    presenter.shown.connect(lambda view, _: seen.append(view))
    return seen


def wait_for(qtbot, shown: list, count: int) -> None:
    qtbot.waitUntil(lambda: len(shown) >= count)


def test_choosing_scores_changes_one_layer_whose_name_says_everything(qtbot, model, presenter, shown) -> None:
    presenter.add_run(fake_run(), None)
    presenter.show(EPCAM)
    wait_for(qtbot, shown, 1)
    presenter.show(HYPOXIA)
    wait_for(qtbot, shown, 2)
    assert [layer.name for layer in model.layers] == ["HYPOXIA · guidance 2 · fake"]


def test_limits_stay_while_guidance_changes_and_are_new_for_another_score(qtbot, model, presenter, shown) -> None:
    presenter.add_run(fake_run(), None)
    presenter.show(EPCAM)
    wait_for(qtbot, shown, 1)
    layer = model.layers[0]
    limits = list(layer.contrast_limits)
    assert limits == pytest.approx(list(robust_limits(2.0 * np.arange(19))))
    presenter.set_guidance(6.0)
    wait_for(qtbot, shown, 2)
    assert layer.data[0, 2] == 6.0 and layer.contrast_limits == limits
    assert layer.name == "EPCAM · guidance 6 · fake"
    presenter.show(CD3E)
    wait_for(qtbot, shown, 3)
    assert layer.contrast_limits == pytest.approx(list(robust_limits(1 + 6.0 * np.arange(19))))


def test_a_slider_that_overtakes_the_decoder_gets_the_last_value_and_never_an_older_one(
    qtbot, model, presenter, shown
) -> None:
    run = fake_run()
    gate = threading.Semaphore(0)
    guided = run.scores._guided
    original = guided.gene

    def slow(*args, **kwargs):
        gate.acquire(timeout=5)
        return original(*args, **kwargs)

    guided.gene = slow
    presenter.add_run(run, None)
    presenter.show(EPCAM)
    for w in np.linspace(2, 6, 41):
        presenter.set_guidance(float(w))
    gate.release(50)
    qtbot.waitUntil(lambda: bool(shown) and shown[-1].guidance == 6.0)
    assert len(shown) <= 3
    assert [v.guidance for v in shown] == sorted(v.guidance for v in shown)
    # The limits that were due for the new score are not lost on the way.
    assert model.layers[0].contrast_limits != [0, 1]


def test_relative_has_limits_of_its_own_and_says_so(qtbot, model, presenter, shown) -> None:
    run = fake_run()
    presenter.add_run(run, None)
    presenter.show(EPCAM)
    wait_for(qtbot, shown, 1)
    presenter.set_relative(True)
    wait_for(qtbot, shown, 2)
    assert run.scores._guided.asked[-1] == ("EPCAM", 2.0, True)
    assert model.layers[0].name == "EPCAM / total · guidance 2 · fake" and shown[-1].fit


def test_an_answer_for_another_run_is_dropped(qtbot, model, presenter, shown) -> None:
    first, second = fake_run(), replace(fake_run(), id="second", slide_path=Path("other.tif"))
    gate = threading.Event()
    original = first.scores._guided.gene
    first.scores._guided.gene = lambda *a, **k: (gate.wait(5), original(*a, **k))[1]
    presenter.add_run(first, None)
    presenter.show(EPCAM)
    presenter.add_run(second, None)
    gate.set()
    presenter.show(CD3E)
    wait_for(qtbot, shown, 1)
    assert [run_of(layer) for layer in model.layers] == ["second"]
    assert all(view.run_id == "second" for view in shown)


def test_a_second_run_on_the_slide_hides_the_first_and_selecting_a_layer_brings_its_run_back(
    qtbot, model, presenter, shown
) -> None:
    first, second = fake_run(), replace(fake_run(), id="second", model="other")
    second.scores.adata.uns["molf"]["weights_hash"] = "2" * 64
    presenter.add_run(first, None)
    presenter.show(EPCAM)
    wait_for(qtbot, shown, 1)
    presenter.add_run(second, None)
    presenter.show(EPCAM)
    wait_for(qtbot, shown, 2)
    old, new = model.layers
    assert not old.visible and new.visible
    changed = []
    presenter.run_changed.connect(changed.append)
    presenter.follow(old)
    assert presenter.run is first and changed == [first]
    presenter.follow(None)
    assert presenter.run is first


def test_the_same_question_asked_again_takes_the_place_of_its_former_answer(qtbot, model, presenter, shown) -> None:
    for number in (1, 2):
        presenter.add_run(fake_run(), None)
        presenter.show(EPCAM)
        wait_for(qtbot, shown, number)
    assert [run_of(layer) for layer in model.layers] == [presenter.run.id]
    assert presenter.runs_on_show() == (presenter.run,)


def test_expert_maps_stand_in_for_the_score_one_at_a_time(qtbot, model, presenter, shown) -> None:
    presenter.add_run(fake_run(), None)
    presenter.show(EPCAM)
    wait_for(qtbot, shown, 1)
    kinds = []
    presenter.routing_changed.connect(kinds.append)
    presenter.show_routing("expert")
    presenter.show_routing("weight", 2)
    presenter.show_routing("entropy")
    assert [layer.name for layer in model.layers if layer.visible] == ["Routing entropy · fake"]
    presenter.set_guidance(3.0)
    wait_for(qtbot, shown, 2)
    assert [layer.name for layer in model.layers if layer.visible] == ["Routing entropy · fake"]
    presenter.show(CD3E)
    assert [layer.name for layer in model.layers if layer.visible] == ["EPCAM · guidance 3 · fake"]
    assert kinds == ["expert", "weight", "entropy", None]
    assert "Weight of E3 · fake" in [layer.name for layer in model.layers]


def test_layers_that_the_user_deletes_or_renames_come_back_when_they_are_asked_for(
    qtbot, model, presenter, shown
) -> None:
    presenter.add_run(fake_run(), None)
    presenter.show(EPCAM)
    wait_for(qtbot, shown, 1)
    model.layers[0].name = "mine"
    presenter.set_guidance(3.0)
    wait_for(qtbot, shown, 2)
    assert len(model.layers) == 1
    model.layers.clear()
    presenter.set_guidance(4.0)
    wait_for(qtbot, shown, 3)
    assert [layer.name for layer in model.layers] == ["EPCAM · guidance 4 · fake"]
    assert model.layers[0].contrast_limits != [0, 1]


def test_opacity_holds_for_every_map_and_those_to_come(qtbot, model, presenter, shown) -> None:
    presenter.add_run(fake_run(), None)
    presenter.show(EPCAM)
    wait_for(qtbot, shown, 1)
    presenter.set_opacity(0.25)
    presenter.show_routing("expert")
    # The numbers of the experts stay to be read.
    assert [layer.opacity for layer in model.layers] == [0.25, 0.25, 1.0]


def test_a_decoder_that_fails_is_a_sentence(qtbot, presenter) -> None:
    run = fake_run()

    def broken(*_, **__):
        raise RuntimeError("boom")

    run.scores._guided.gene = broken
    said = []
    presenter.failed.connect(said.append)
    presenter.add_run(run, None)
    presenter.show(EPCAM)
    qtbot.waitUntil(lambda: bool(said))
    assert "boom" in said[0]


def test_a_score_that_the_next_model_does_not_have_is_forgotten(presenter) -> None:
    presenter.add_run(fake_run(), None)
    presenter.score = Score("gene", "ELSEWHERE")
    presenter.add_run(replace(fake_run(), id="second"), None)
    assert presenter.score is None


def test_the_fakes_agree_with_each_other() -> None:
    assert fake_bundle().config.guidance == fake_run().guidance
    assert isinstance(fake_run().scores._guided, FakeGuided)


def test_a_threshold_hides_patches_and_keeps_limits_and_values(qtbot, model, presenter, shown) -> None:
    presenter.add_run(fake_run(), None)
    presenter.show(EPCAM)
    wait_for(qtbot, shown, 1)
    layer = model.layers[0]
    limits = list(layer.contrast_limits)
    presenter.set_threshold(Threshold(50))
    assert np.isfinite(layer.data).sum() == 10 and np.isfinite(presenter.values).all()
    presenter.set_guidance(6.0)
    wait_for(qtbot, shown, 2)
    assert np.isfinite(layer.data).sum() == 10 and list(layer.contrast_limits) == limits
    presenter.set_threshold(None)
    assert np.isfinite(layer.data).sum() == 19


def test_smooth_holds_for_the_runs_to_come(qtbot, model, presenter, shown) -> None:
    presenter.set_smooth(True)
    presenter.add_run(fake_run(), None)
    presenter.show(EPCAM)
    wait_for(qtbot, shown, 1)
    assert model.layers[0].data.shape == (32, 40)


def test_limits_of_a_difference_that_the_user_set_stay_until_they_are_far_too_narrow(
    qtbot, model, presenter, shown
) -> None:
    presenter.add_run(fake_run(), None)
    presenter.show(EPCAM)
    presenter.set_minus(Minus(None, 1.0))
    qtbot.waitUntil(lambda: bool(shown) and shown[-1].minus is not None)
    layer = model.layers[0]
    layer.contrast_limits = (-5, 5)
    presenter.set_guidance(2.1)
    qtbot.waitUntil(lambda: shown[-1].guidance == 2.1)
    assert list(layer.contrast_limits) == [-5, 5]
    presenter.set_guidance(9.0)
    qtbot.waitUntil(lambda: shown[-1].guidance == 9.0)
    assert list(layer.contrast_limits) == [-150, 150]


def test_what_is_wanted_beside_the_map_comes_with_it(qtbot, model, presenter, shown) -> None:
    seen: list = []
    presenter.beside_shown.connect(lambda view, values: seen.append((view, values)))
    presenter.add_run(fake_run(), None)
    presenter.show(EPCAM)
    wait_for(qtbot, shown, 1)
    assert not seen
    presenter.set_beside((Wanted(CD3E), Wanted(EPCAM, 1.0)))
    qtbot.waitUntil(lambda: len(seen) == 1)
    presenter.set_guidance(4.0)
    qtbot.waitUntil(lambda: len(seen) == 2)
    view, (first, second) = seen[-1]
    assert view == shown[-1] and first[2] == 9.0 and second[2] == 2.0


def test_a_new_name_of_an_expert_is_known_to_every_run_of_its_model_and_to_no_other(presenter) -> None:
    first, second, other = fake_run(), fake_run(), fake_run()
    second.scores.adata.uns["molf"]["cancer_code"] = "IDC"
    other.scores.adata.uns["molf"]["weights_hash"] = "2" * 64
    for run in (first, second, other):
        presenter.add_run(run, None)
    presenter.switch_to(first.id)
    presenter.name_experts({1: "stroma"})
    assert first.expert_names == second.expert_names == ("E1", "stroma", "E3")
    assert other.expert_names == ("E1", "E2", "E3")


def test_the_load_of_an_expert_is_a_map_of_its_own(model, presenter) -> None:
    run = fake_run()
    presenter.add_run(run, None)
    presenter.show_routing("load", 1)
    (layer,) = model.layers
    assert layer.name == "Load of E2 · fake" and layer.contrast_limits == [0, 1]
    assert np.isfinite(layer.data).sum() == len(run.patches)
