"""The patches that an expert is surest of, cut from a real slide; a click goes there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt

from molf_engine.errors import SlideError
from molf_engine.slides import open_slide, read_patch
from napari_molf.core.marker import METADATA_KEY, PatchMarker
from napari_molf.core.run import Run
from napari_molf.desk.desk import Desk
from napari_molf.experts.gallery import GalleryPanel, exemplars
from napari_molf.experts.patch_images import KEPT, SIZE_PX, PatchImages
from tests.napari_molf.fakes import fake_run

LONG = 20_000


@pytest.fixture
def renamed() -> list:
    return []


@pytest.fixture
def gallery(qtbot, desk: Desk, tiny_run: Run, renamed: list) -> Iterator[GalleryPanel]:
    desk.presenter.add_run(replace(tiny_run), None)
    panel = GalleryPanel(desk, lambda expert, name: renamed.append((expert, name)))
    qtbot.addWidget(panel)
    panel.resize(900, 300)
    panel.show()
    yield panel
    panel.stop()


def wait(qtbot, gallery: GalleryPanel) -> None:
    qtbot.waitUntil(lambda: gallery.complete, timeout=LONG)


def marker_of(model):
    return next((layer for layer in model.layers if METADATA_KEY in layer.metadata), None)


def test_the_surest_patches_come_first(tiny_run: Run) -> None:
    chosen = exemplars(tiny_run, 1, 12, spread=False)
    logits = tiny_run.scores.gate_logits[:, 1]
    assert [e.logit for e in chosen] == pytest.approx(np.sort(logits)[::-1][:12])
    assert [e.used for e in chosen] == tiny_run.scores.used[[e.patch for e in chosen], 1].tolist()


def test_spread_over_the_slide_keeps_them_apart() -> None:
    run = fake_run(rows=40, cols=40)
    run.scores.adata.obsm["gate_logits"][:, 0] = -np.arange(len(run.patches))
    places = np.array([(e.x, e.y) for e in exemplars(run, 0, 12, spread=True)])
    near = np.array([(e.x, e.y) for e in exemplars(run, 0, 12, spread=False)])

    def closest(points: np.ndarray) -> float:
        distance = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
        return float(distance[distance > 0].min())

    assert closest(places) >= 8 * 20.0 and closest(near) == 20.0


def test_every_patch_gets_its_image_from_the_slide(qtbot, gallery: GalleryPanel, tiny_run: Run) -> None:
    wait(qtbot, gallery)
    shown = gallery.patches.exemplars
    assert len(shown) == 12 and all(gallery.patches.has_image(e.patch) for e in shown)
    with open_slide(tiny_run.slide_path) as slide:
        expected = read_patch(slide, tiny_run.scores.adata.obsm["spatial"][shown[0].patch], 112.0, SIZE_PX)
    assert np.array_equal(gallery._images.kept(shown[0].patch), expected)


def test_a_click_on_a_patch_goes_there_and_frames_it(qtbot, model, gallery: GalleryPanel, tiny_run: Run) -> None:
    wait(qtbot, gallery)
    before = model.layers.selection.active
    item = gallery.patches.item(3)
    pos = gallery.patches.visualItemRect(item).center()
    qtbot.mouseClick(gallery.patches.viewport(), Qt.MouseButton.LeftButton, pos=pos)
    patch = gallery.patches.exemplars[3].patch
    expected = tiny_run.patches.centres[patch]
    assert np.allclose(model.camera.center[-2:], expected, atol=1.0)
    frame = marker_of(model)
    assert np.allclose(frame.data, expected) and frame.name == "Patch of E1"
    assert model.layers.selection.active is before


def test_arrow_keys_and_enter_do_the_same(qtbot, model, gallery: GalleryPanel, tiny_run: Run) -> None:
    wait(qtbot, gallery)
    gallery.patches.setCurrentRow(0)
    gallery.patches.setFocus()
    qtbot.keyClick(gallery.patches, Qt.Key.Key_Right)
    qtbot.keyClick(gallery.patches, Qt.Key.Key_Return)
    expected = tiny_run.patches.centres[gallery.patches.exemplars[1].patch]
    assert np.allclose(model.camera.center[-2:], expected, atol=1.0)


def test_there_is_one_frame_and_it_goes_with_the_gallery(qtbot, model, gallery: GalleryPanel) -> None:
    for exemplar in gallery.patches.exemplars[:3]:
        gallery.go_to(exemplar.patch)
    assert sum(METADATA_KEY in layer.metadata for layer in model.layers) == 1
    model.layers.remove(marker_of(model))
    gallery.go_to(gallery.patches.exemplars[0].patch)
    assert marker_of(model) is not None
    gallery.stop()
    assert marker_of(model) is None


def test_a_slide_that_was_moved_and_turned_is_followed(model) -> None:
    run = fake_run()
    slide = model.add_image(np.zeros((16, 16)), rotate=90, translate=(100, 50))
    PatchMarker(model).go_to(run, 5, slide, "Patch")
    y, x = run.patches.centres[5]
    # A quarter turn, then the shift.
    turned = np.asarray(slide.rotate) @ (y, x) + (100, 50)
    assert np.allclose(model.camera.center[-2:], turned)


def test_more_patches_and_another_expert_are_read_and_known_ones_are_not_read_again(
    qtbot, gallery: GalleryPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait(qtbot, gallery)
    read: list[int] = []
    original = PatchImages.read
    monkeypatch.setattr(PatchImages, "read", lambda self, patch: read.append(patch) or original(self, patch))
    known = {e.patch for e in gallery.patches.exemplars}
    gallery.count.setValue(18)
    wait(qtbot, gallery)
    assert len(gallery.patches.exemplars) == 18 and len(read) == 6 and not known & set(read)
    gallery.show_expert(1)
    wait(qtbot, gallery)
    assert all(gallery.patches.has_image(e.patch) for e in gallery.patches.exemplars)
    assert gallery.patches.exemplars[0].patch == exemplars(gallery._run, 1, 1, spread=False)[0].patch


def test_closing_while_images_are_read_waits_for_nothing(qtbot, gallery: GalleryPanel, monkeypatch) -> None:
    wait(qtbot, gallery)
    started, go_on = threading.Event(), threading.Event()

    def slow(self: PatchImages, patch: int) -> np.ndarray:
        started.set()
        go_on.wait(10)
        return np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8)

    monkeypatch.setattr(PatchImages, "read", slow)
    gallery.show_expert(2)
    assert started.wait(10)
    shown = [e.patch for e in gallery.patches.exemplars]
    missing = next(patch for patch in shown if not gallery.patches.has_image(patch))
    gallery.stop()
    go_on.set()
    assert not gallery.patches.has_image(missing)


def test_a_slide_that_is_gone_leaves_its_small_picture_and_a_note(qtbot, gallery: GalleryPanel, tiny_run: Run) -> None:
    wait(qtbot, gallery)
    gone = replace(tiny_run, slide_path=Path("/nowhere/slide.tif"))
    gallery.set_run(gone)
    wait(qtbot, gallery)
    assert all(gallery.patches.has_image(e.patch) for e in gallery.patches.exemplars)
    assert "/nowhere/slide.tif" in gallery.note.text() and gallery.note.isVisible()


def test_the_small_picture_shows_the_same_place_as_the_slide(tiny_run: Run) -> None:
    sharp, coarse = PatchImages(tiny_run), PatchImages(replace(tiny_run, slide_path=Path("/nowhere.tif")))
    patch = len(tiny_run.patches) // 2
    one, other = sharp.read(patch).astype(float), coarse.read(patch).astype(float)
    assert sharp.note is None and coarse.note is not None
    elsewhere = sharp.read(0).astype(float)
    assert np.abs(one - other).mean() < 0.5 * np.abs(one - elsewhere).mean()
    sharp.close()


def test_a_file_that_is_another_slide_now_is_not_cut(tiny_run: Run, tmp_path: Path) -> None:
    import tifffile

    other = tmp_path / "slide.tif"
    tifffile.imwrite(other, np.zeros((300, 300, 3), np.uint8), photometric="rgb")
    images = PatchImages(replace(tiny_run, slide_path=other))
    assert images.read(0).any() and images.note is not None


def test_a_damaged_place_is_marked_and_the_others_are_shown(qtbot, gallery: GalleryPanel, monkeypatch) -> None:
    wait(qtbot, gallery)
    original = PatchImages.read
    bad = exemplars(gallery._run, 1, 12, spread=False)[2].patch

    def read(self: PatchImages, patch: int) -> np.ndarray:
        if patch == bad:
            raise SlideError("a tile is damaged. Copy the slide again.")
        return original(self, patch)

    gallery.set_run(replace(gallery._run))
    monkeypatch.setattr(PatchImages, "read", read)
    gallery.show_expert(1)
    wait(qtbot, gallery)
    assert [gallery.patches.has_image(e.patch) for e in gallery.patches.exemplars].count(False) == 1
    assert "a tile is damaged" in gallery.note.text()


def test_images_that_are_kept_are_bounded(tiny_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    images = PatchImages(replace(tiny_run, slide_path=Path("/nowhere.tif")))
    monkeypatch.setattr("napari_molf.experts.patch_images.KEPT", 3)
    for patch in range(5):
        images.read(patch)
    assert [images.kept(patch) is not None for patch in range(5)] == [False, False, True, True, True]
    assert KEPT * SIZE_PX * SIZE_PX * 3 < 64 * 2**20


def test_a_name_typed_in_the_gallery_goes_out_once(qtbot, gallery: GalleryPanel, renamed: list) -> None:
    gallery.show_expert(1)
    gallery.name.setFocus()
    qtbot.keyClicks(gallery.name, "stroma")
    qtbot.keyClick(gallery.name, Qt.Key.Key_Return)
    assert renamed == [(1, "stroma")]


def test_names_are_on_the_tabs(gallery: GalleryPanel, desk: Desk) -> None:
    desk.presenter.name_experts({0: "stroma & nerves"})
    assert gallery.tabs.tabText(0) == "stroma && nerves" and gallery.name.text() == "stroma & nerves"
    assert gallery.patches.item(0).toolTip().startswith("stroma & nerves · gate logit")


def test_a_run_with_one_expert_has_no_gallery(gallery: GalleryPanel) -> None:
    gallery.set_run(fake_run(experts=1))
    assert gallery.tabs.count() == 0 and gallery.patches.exemplars == [] and not gallery.isEnabled()
