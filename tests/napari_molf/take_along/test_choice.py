"""What is exported is what is on show: scores, look, part in view."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from molf_engine.export import FORMATS, ScoreName, format_named
from molf_engine.export.shown import ENTROPY
from napari_molf.core.compat import camera
from napari_molf.core.layers import ResultLayers
from napari_molf.core.scores import Score
from napari_molf.take_along.choice import OnShow, folder_for, look_of, suggested_name, view_box
from tests.napari_molf.fakes import fake_run
from tests.napari_molf.take_along.conftest import saved_run

HYPOXIA = Score("hallmark", "HYPOXIA")


def test_the_map_that_is_visible_is_what_a_figure_shows() -> None:
    on_show = OnShow(saved_run(), HYPOXIA, 2.0, False)
    assert on_show.visible == ScoreName("hallmark", "HYPOXIA")
    assert replace(on_show, role="expert").visible is None
    assert replace(on_show, role="entropy").visible == ENTROPY
    assert replace(on_show, role="weight", expert=1).visible == ScoreName("weight", "E2")


def test_a_suggested_name_says_what_is_in_the_file() -> None:
    on_show = OnShow(saved_run(slide="case 7.tif"), HYPOXIA, 2.0, False)
    assert suggested_name(on_show, format_named("png")) == "case 7 HYPOXIA.png"
    assert suggested_name(replace(on_show, role="expert"), format_named("svg")) == "case 7 experts.svg"
    assert suggested_name(on_show, format_named("h5ad")) == "case 7.h5ad"
    moved = OnShow(fake_run(), HYPOXIA, 3.5, False)
    assert suggested_name(moved, format_named("csv")) == "slide w3.5.csv"


def test_a_suggested_name_is_allowed_on_every_system() -> None:
    run = replace(saved_run(), slide_name='a/b:c"d')
    names = [suggested_name(OnShow(run, HYPOXIA, 2.0, False), one) for one in FORMATS]
    assert not set("".join(names)) & set('\\/:*?"<>|')


def test_the_dialog_opens_where_the_last_file_went(tmp_path: Path) -> None:
    run = replace(saved_run(), path=tmp_path / "result.h5ad")
    assert folder_for(run, None) == tmp_path
    assert folder_for(run, tmp_path / "gone") == tmp_path
    assert folder_for(saved_run(), None) == Path.home()


@pytest.mark.parametrize("free", [False, True], ids=["image", "points"])
def test_the_look_is_that_of_the_layer(model: ViewerModel, free: bool) -> None:
    run = saved_run(free=free)
    layer = ResultLayers(model, run.id, run.patches).show_score(np.arange(19.0), "score", (2.0, 15.0))
    layer.opacity = 0.4
    look = look_of(layer, (1.0, 2.0, 3.0, 4.0))
    assert look.limits == (2.0, 15.0) and look.opacity == 0.4 and look.box == (1.0, 2.0, 3.0, 4.0)
    # From the dark blue of viridis to its yellow.
    assert np.allclose(look.colours[0][:3], (0.267, 0.005, 0.329), atol=0.01)
    assert np.allclose(look.colours[-1][:3], (0.993, 0.906, 0.144), atol=0.01)


def test_without_a_layer_the_look_is_the_usual_one() -> None:
    assert look_of(None).limits is None


def test_the_part_in_view_is_told_in_pixels_of_the_slide(model: ViewerModel) -> None:
    run = saved_run()
    model.add_image(np.zeros((160, 200, 3), np.uint8), rgb=True, scale=(0.5, 0.5), translate=(100, 0))
    view = camera(model)
    view.center, view.zoom = (140.0, 50.0), 10.0
    left, top, right, bottom = view_box(model, run, model.layers[0])
    # 0.5 um per pixel, the slide moved down by 100 um: its middle is (100, 80).
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((100.5, 80.5))
    apart = view_box(model, run, None)
    assert (apart[1] + apart[3]) / 2 == pytest.approx(280.5)
    assert right - left == pytest.approx(apart[2] - apart[0])
