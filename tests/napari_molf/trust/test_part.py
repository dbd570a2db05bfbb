"""The Trust section, clicked as a person would."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from molf_engine.prediction.jobs import Failed
from napari_molf.core.fading import steadiness
from napari_molf.core.layers import role_of, run_of
from napari_molf.core.run import Run
from napari_molf.core.scores import Score
from napari_molf.core.skill import WAVERS
from napari_molf.desk.desk import Desk
from napari_molf.trust.part import TrustPart
from tests.napari_molf.fakes import GENES
from tests.napari_molf.trust.conftest import EPCAM, DrawJob, run_on


def click(qtbot, widget) -> None:
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton, pos=QPoint(8, widget.height() // 2))


def layer_of(desk: Desk, role: str):
    return next((x for x in desk.viewer.layers if role_of(x) == role and run_of(x) == desk.run.id), None)


def values_of(desk: Desk, role: str) -> np.ndarray:
    patches = desk.run.patches
    return layer_of(desk, role).data[patches.rows, patches.cols]


@pytest.fixture
def drawn(qtbot, desk: Desk, part: TrustPart, run: Run, job: DrawJob) -> TrustPart:
    """Draws are made and their spread is on the map."""
    click(qtbot, part.row.button)
    job.finish()
    qtbot.waitUntil(lambda: layer_of(desk, "spread") is not None)
    return part


@pytest.fixture
def faded(qtbot, desk: Desk, drawn: TrustPart) -> TrustPart:
    click(qtbot, drawn.fade)
    qtbot.waitUntil(lambda: layer_of(desk, "faded") is not None)
    return drawn


def show(qtbot, desk: Desk, score: Score) -> None:
    with qtbot.waitSignal(desk.presenter.shown):
        desk.presenter.show(score)


# -- drawing -------------------------------------------------------------------------------------------------


def test_before_draws_there_is_a_button_and_nothing_to_tick(desk: Desk, part: TrustPart, run: Run) -> None:
    assert part.row.button.isEnabled() and part.row.count.value() == 16
    assert not part.spread.isEnabled() and not part.fade.isEnabled()


def test_draws_are_asked_for_the_patches_and_the_guidance_on_show(
    qtbot, desk: Desk, part: TrustPart, run: Run, job: DrawJob
) -> None:
    with qtbot.waitSignal(desk.presenter.shown):
        desk.presenter.set_guidance(3.5)
    part.row.count.setValue(8)
    click(qtbot, part.row.button)
    request = job.request
    assert (request.guidance, request.draws, request.code, request.fingerprint) == (3.5, 8, "Unknown", "0")
    assert np.array_equal(request.positions, run.scores.adata.obsm["spatial"])
    assert part.row.cancel.isVisible() and not part.row.button.isVisible()
    job.advance(3)
    qtbot.waitUntil(lambda: part.row.text == "Drawing  3 / 8")


def test_the_spread_takes_the_place_of_the_score_with_its_own_name_and_colours(desk: Desk, drawn: TrustPart) -> None:
    spread, score = layer_of(desk, "spread"), layer_of(desk, "score")
    assert spread.name == "spread of EPCAM over 16 draws · fake"
    assert values_of(desk, "spread") == pytest.approx(np.linspace(0, 1, len(desk.run.patches)))
    assert spread.visible and not score.visible and spread.colorbar.visible
    assert spread.colormap.name != score.colormap.name
    assert drawn.spread.isChecked() and drawn.row.button.isVisible()
    assert WAVERS in drawn.note.text() and "confiden" not in drawn.note.text()


def test_cancel_stops_the_child_and_leaves_the_map(qtbot, desk: Desk, part: TrustPart, run: Run, job: DrawJob) -> None:
    click(qtbot, part.row.button)
    job.advance(2)
    qtbot.waitUntil(lambda: part.row.text == "Drawing  2 / 16")
    with qtbot.waitSignal(part.runner.cancelled):
        click(qtbot, part.row.cancel)
    assert job.closed and not part.runner.running and part.row.button.isVisible()
    assert layer_of(desk, "spread") is None and layer_of(desk, "score").visible


def test_a_failure_is_said_in_the_dock(qtbot, desk: Desk, part: TrustPart, run: Run, job: DrawJob) -> None:
    click(qtbot, part.row.button)
    job.waiting.append(Failed("There is no slide any more. Open it again.", True))
    with qtbot.waitSignal(desk.said) as said:
        pass
    assert said.args == ["There is no slide any more. Open it again."]
    assert job.closed and part.row.button.isVisible()


def test_without_its_model_a_result_cannot_be_drawn_and_says_why(desk: Desk, part: TrustPart, run: Run) -> None:
    from dataclasses import replace

    from napari_molf.core.scores import Scores

    desk.presenter.add_run(replace(run, bundle=None, scores=Scores(run.scores.adata), id="without"), None)
    assert not part.row.button.isEnabled()
    assert part.note.text() == "Draws need the model fake. Choose its folder under Model."


def test_closing_the_dock_ends_the_child(qtbot, desk: Desk, part: TrustPart, run: Run, job: DrawJob) -> None:
    click(qtbot, part.row.button)
    part.runner.stop()
    assert job.closed and not part.runner.running


# -- the map moves on ----------------------------------------------------------------------------------------


def test_the_spread_follows_another_gene_and_the_other_scale(qtbot, desk: Desk, drawn: TrustPart) -> None:
    layer, ramp = layer_of(desk, "spread"), np.linspace(0, 1, len(desk.run.patches))
    show(qtbot, desk, Score("gene", "COL1A1"))
    qtbot.waitUntil(lambda: layer.name.startswith("spread of COL1A1"))
    assert values_of(desk, "spread") == pytest.approx(ramp * (GENES.index("COL1A1") + 1))
    with qtbot.waitSignal(desk.presenter.shown):
        desk.presenter.set_relative(True)
    qtbot.waitUntil(lambda: values_of(desk, "spread")[-1] == pytest.approx(10 * (GENES.index("COL1A1") + 1)))
    assert layer_of(desk, "spread") is layer and layer.visible and drawn.spread.isChecked()
    show(qtbot, desk, Score("hallmark", "HYPOXIA"))
    qtbot.waitUntil(lambda: layer.name == "spread of HYPOXIA over 16 draws · fake")
    assert values_of(desk, "spread") == pytest.approx(ramp * 100)


def test_another_guidance_makes_the_spread_stale_until_it_is_back(qtbot, desk: Desk, drawn: TrustPart) -> None:
    def guide(guidance: float) -> None:
        with qtbot.waitSignal(desk.presenter.shown):
            desk.presenter.set_guidance(guidance)

    guide(4.0)
    assert drawn.stale and "draws were made at guidance 2, the map is at 4" in drawn.note.text()
    assert layer_of(desk, "spread").name == "spread of EPCAM over 16 draws at guidance 2 · fake"
    guide(2.0)
    assert not drawn.stale and "⚠" not in drawn.note.text()
    assert layer_of(desk, "spread").name == "spread of EPCAM over 16 draws · fake"


def test_an_expert_map_unticks_the_spread(desk: Desk, drawn: TrustPart) -> None:
    desk.presenter.show_routing("entropy")
    assert not drawn.spread.isChecked() and not layer_of(desk, "spread").visible


def test_unticking_brings_the_score_back(qtbot, desk: Desk, drawn: TrustPart) -> None:
    click(qtbot, drawn.spread)
    assert layer_of(desk, "score").visible and not layer_of(desk, "spread").visible


def test_a_run_chosen_meanwhile_keeps_its_own_map(qtbot, desk: Desk, part: TrustPart, run: Run, job: DrawJob) -> None:
    click(qtbot, part.row.button)
    other = run_on("other.tif")
    desk.presenter.add_run(other, None)
    job.finish()
    with qtbot.waitSignal(part.runner.finished):
        pass
    assert desk.run.id == other.id and layer_of(desk, "spread") is None and not part.spread.isEnabled()
    desk.presenter.switch_to(run.id)
    assert part.spread.isEnabled() and not part.spread.isChecked()
    show(qtbot, desk, EPCAM)
    click(qtbot, part.spread)
    qtbot.waitUntil(lambda: layer_of(desk, "spread") is not None)


def test_layers_deleted_while_drawing_come_back_with_the_draws(
    qtbot, desk: Desk, part: TrustPart, run: Run, job: DrawJob
) -> None:
    click(qtbot, part.row.button)
    desk.viewer.layers.clear()
    job.finish()
    qtbot.waitUntil(lambda: layer_of(desk, "spread") is not None)
    assert layer_of(desk, "spread").visible


def test_a_deleted_spread_is_unticked_and_another_score_does_not_bring_it_back(
    qtbot, desk: Desk, drawn: TrustPart
) -> None:
    desk.viewer.layers.remove(layer_of(desk, "spread"))
    assert not drawn.spread.isChecked()
    show(qtbot, desk, Score("gene", "CD3E"))
    assert layer_of(desk, "spread") is None and layer_of(desk, "score").visible


# -- fading --------------------------------------------------------------------------------------------------


def test_fading_gives_each_patch_an_opacity_and_keeps_the_colour_bar(desk: Desk, faded: TrustPart) -> None:
    score, patches, values = layer_of(desk, "score"), desk.run.patches, desk.presenter.values
    shown = layer_of(desk, "faded").data[patches.rows, patches.cols]
    expected = steadiness(np.linspace(0, 1, len(patches)), values)
    assert shown[:, 3] == pytest.approx(255 * expected, abs=0.51)
    assert score.visible and score.opacity == 0 and score.colorbar.visible
    assert not faded.spread.isChecked() and not layer_of(desk, "spread").visible


def test_the_opacity_slider_moves_the_faded_map_not_the_score_under_it(desk: Desk, faded: TrustPart) -> None:
    desk.presenter.set_opacity(0.4)
    assert layer_of(desk, "faded").opacity == 0.4 and layer_of(desk, "score").opacity == 0


def test_other_limits_recolour_the_faded_map(qtbot, desk: Desk, faded: TrustPart) -> None:
    before = layer_of(desk, "faded").data.copy()
    low, high = layer_of(desk, "score").contrast_limits
    layer_of(desk, "score").contrast_limits = (low, low + (high - low) / 4)
    after = layer_of(desk, "faded").data
    assert not np.array_equal(after[..., :3], before[..., :3])
    assert np.array_equal(after[..., 3], before[..., 3])


def test_fading_follows_another_gene(qtbot, desk: Desk, faded: TrustPart) -> None:
    show(qtbot, desk, Score("gene", "CD3E"))
    qtbot.waitUntil(lambda: layer_of(desk, "faded") is not None)
    assert layer_of(desk, "faded").name == "CD3E · faded · fake"
    patches = desk.run.patches
    shown = layer_of(desk, "faded").data[patches.rows, patches.cols, 3]
    expected = steadiness(2 * np.linspace(0, 1, len(patches)), desk.presenter.values)
    assert shown == pytest.approx(255 * expected, abs=0.51)


def test_a_map_at_another_guidance_is_not_faded_with_doubts_of_this_one(qtbot, desk: Desk, faded: TrustPart) -> None:
    with qtbot.waitSignal(desk.presenter.shown):
        desk.presenter.set_guidance(5.0)
    assert layer_of(desk, "faded") is None and layer_of(desk, "score").opacity == 0.7
    assert "it is not faded" in faded.note.text()
    with qtbot.waitSignal(desk.presenter.shown):
        desk.presenter.set_guidance(2.0)
    assert layer_of(desk, "faded") is not None and layer_of(desk, "score").opacity == 0


def test_unticking_or_deleting_the_faded_map_gives_the_score_back(qtbot, desk: Desk, faded: TrustPart) -> None:
    click(qtbot, faded.fade)
    assert layer_of(desk, "faded") is None and layer_of(desk, "score").opacity == 0.7
    assert desk.viewer.layers.selection.active is layer_of(desk, "score")
    click(qtbot, faded.fade)
    qtbot.waitUntil(lambda: layer_of(desk, "faded") is not None)
    desk.viewer.layers.remove(layer_of(desk, "faded"))
    qtbot.waitUntil(lambda: layer_of(desk, "score").opacity == 0.7)
    assert not faded.fade.isChecked()


def test_deleting_the_score_takes_its_faded_map_along(qtbot, desk: Desk, faded: TrustPart) -> None:
    desk.viewer.layers.remove(layer_of(desk, "score"))
    qtbot.waitUntil(lambda: layer_of(desk, "faded") is None)
    assert not faded.fade.isChecked()


def test_deleting_everything_at_once_is_survived(qtbot, desk: Desk, faded: TrustPart) -> None:
    desk.viewer.layers.select_all()
    desk.viewer.layers.remove_selected()
    show(qtbot, desk, EPCAM)
    assert [role_of(layer) for layer in desk.viewer.layers] == ["score"]


def test_another_run_ends_the_fading_of_this_one(qtbot, desk: Desk, faded: TrustPart, run: Run) -> None:
    desk.presenter.add_run(run_on("other.tif"), None)
    assert not faded.fade.isChecked()
    assert [role_of(x) for x in desk.viewer.layers if run_of(x) == run.id] == ["score", "spread"]


def test_free_positions_fade_as_points(qtbot, desk: Desk, part: TrustPart, job: DrawJob) -> None:
    desk.presenter.add_run(run_on("spots.tif", free=True), None)
    show(qtbot, desk, EPCAM)
    click(qtbot, part.row.button)
    job.finish()
    qtbot.waitUntil(lambda: layer_of(desk, "spread") is not None)
    click(qtbot, part.fade)
    qtbot.waitUntil(lambda: layer_of(desk, "faded") is not None)
    expected = steadiness(np.linspace(0, 1, len(desk.run.patches)), desk.presenter.values)
    assert layer_of(desk, "faded").face_color[:, 3] == pytest.approx(expected, abs=0.01)
    assert layer_of(desk, "score").opacity == 0


# -- unlike training -----------------------------------------------------------------------------------------


def test_distances_are_mapped_in_units_of_the_limit_with_a_key(qtbot, desk: Desk, part: TrustPart, run: Run) -> None:
    click(qtbot, part.unlike)
    layer = layer_of(desk, "unlike")
    assert values_of(desk, "unlike") == pytest.approx(np.linspace(0.5, 1.5, len(run.patches)))
    assert tuple(layer.contrast_limits) == (0, 2) and layer.colorbar.visible and layer.visible
    assert layer.name == "unlike training (1: limit) · fake" and part.key.isVisible()
    click(qtbot, part.own)
    assert values_of(desk, "unlike") == pytest.approx(np.linspace(0, 1, len(run.patches)))
    assert "without the slide's own shift" in layer.name
    click(qtbot, part.unlike)
    assert layer_of(desk, "score").visible and not layer.visible and not part.key.isVisible()


def test_a_new_score_takes_the_place_of_the_distances(qtbot, desk: Desk, part: TrustPart, run: Run) -> None:
    click(qtbot, part.unlike)
    show(qtbot, desk, Score("gene", "CD3E"))
    assert not part.unlike.isChecked() and layer_of(desk, "score").visible


def test_a_deleted_map_of_distances_is_unticked(qtbot, desk: Desk, part: TrustPart, run: Run) -> None:
    click(qtbot, part.unlike)
    desk.viewer.layers.remove(layer_of(desk, "unlike"))
    assert not part.unlike.isChecked() and layer_of(desk, "score").visible


def test_a_model_without_statistics_offers_no_map_of_distances(desk: Desk, part: TrustPart) -> None:
    run = run_on("slide.tif")
    del run.scores.adata.obs["distance"], run.scores.adata.obs["own_distance"]
    desk.presenter.add_run(run, None)
    assert not part.unlike.isEnabled() and part.own.isHidden()
