"""A session on disk: what comes back, and what a damaged or moved one does."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from molf_engine.errors import MolfError
from napari_molf._reader import get_session_reader, read_slide
from napari_molf.core.layers import role_of, run_of
from napari_molf.core.run import read_run
from napari_molf.core.scores import Score
from napari_molf.core.slide_layer import slide_info
from napari_molf.core.view_state import ViewState
from napari_molf.sessions.folder import FILE, read_session, write_session
from napari_molf.sessions.part import add_layer
from napari_molf.sessions.session import Session, session_in, shapes_of, slides_of
from tests.napari_molf.conftest import Tiny

VIEW = ViewState(Score("hallmark", "HYPOXIA"), 3.0, True, 0.4, (-1.0, 2.0), "weight", 2, (10.0, 20.0), 1.5)


def fill(model: ViewerModel, data) -> ViewerModel:
    for each in data:
        add_layer(model, each)
    return model


@pytest.fixture
def project(tiny: Tiny, tmp_path: Path) -> Path:
    """A folder with a slide of its own."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(tiny.slide, folder / "slide.tif")
    return folder


@pytest.fixture
def saved(tiny: Tiny, project: Path) -> Path:
    """A session of a slide that was moved, its prediction and two shapes."""
    viewer = fill(ViewerModel(), read_slide(str(project / "slide.tif")))
    viewer.layers[0].translate = (100.0, 50.0)
    viewer.add_shapes(
        [np.array([[0.0, 0], [0, 9], [9, 9]]), np.array([[1.0, 1], [1, 5], [4, 5], [4, 1]])],
        shape_type=["polygon", "ellipse"],
        features={"name": ["nest", "stroma"], "number": [1, 2]},
        face_color=["red", "blue"],
        name="Regions",
        units=("um", "um"),
    )
    run = replace(read_run(tiny.result), id="the-run", slide_path=project / "slide.tif")
    session = Session(slides_of(viewer), (run,), shapes_of(viewer), "the-run", VIEW)
    return write_session(session, project / "mine")


def test_everything_comes_back(saved: Path, project: Path) -> None:
    assert saved == project / "mine.molf" and get_session_reader(str(saved)) is not None
    viewer = fill(ViewerModel(), read_session(saved))
    slide, score, shapes = viewer.layers
    assert slide_info(slide).path == project / "slide.tif" and np.allclose(slide.translate, (100, 50))
    assert (run_of(score), role_of(score)) == ("the-run", "score")
    patches = score.metadata["molf_run"]["result"].patches
    assert np.allclose(score.translate, np.add(patches.translate, (100, 50)))
    assert list(shapes.shape_type) == ["polygon", "ellipse"] and list(shapes.features["name"]) == ["nest", "stroma"]
    assert np.allclose(shapes.data[0], [[0, 0], [0, 9], [9, 9]])
    session = session_in(shapes)
    assert session.view == VIEW and session.current == "the-run" and not session.missing
    assert np.allclose(shapes.face_color[:, :3], [[1, 0, 0], [0, 0, 1]])


def test_a_project_that_was_moved_as_a_whole_finds_its_slide(saved: Path, project: Path, tmp_path: Path) -> None:
    project.rename(tmp_path / "elsewhere")
    viewer = fill(ViewerModel(), read_session(tmp_path / "elsewhere" / "mine.molf"))
    assert slide_info(viewer.layers[0]).path == tmp_path / "elsewhere" / "slide.tif"
    assert viewer.layers[1].metadata["molf_run"]["result"].slide_path == tmp_path / "elsewhere" / "slide.tif"


def test_without_its_slide_the_map_lies_on_the_thumbnail_and_the_slide_is_named(saved: Path, project: Path) -> None:
    (project / "slide.tif").unlink()
    viewer = fill(ViewerModel(), read_session(saved))
    assert viewer.layers[0].name.endswith("(thumbnail)") and run_of(viewer.layers[1]) == "the-run"
    assert session_in(viewer.layers[-1]).missing == ("slide",)


def test_another_slide_of_that_name_is_not_taken_for_it(saved: Path, project: Path) -> None:
    slide = project / "slide.tif"
    slide.write_bytes(slide.read_bytes() + b"changed")
    assert session_in(fill(ViewerModel(), read_session(saved)).layers[-1]).missing == ("slide",)


def test_a_session_is_replaced_whole_and_other_folders_never(saved: Path, project: Path) -> None:
    empty = Session((), (), ())
    write_session(empty, saved)
    assert json.loads((saved / FILE).read_text())["results"] == [] and not list((saved / "results").iterdir())
    other = project / "other.molf"
    other.mkdir()
    (other / "precious.txt").write_text("x")
    with pytest.raises(MolfError, match="is no session"):
        write_session(empty, other)
    assert (other / "precious.txt").read_text() == "x"


def test_a_full_disk_leaves_the_former_session(saved: Path, monkeypatch) -> None:
    import errno

    before = (saved / FILE).read_text()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(MolfError, match="disk is full"):
        write_session(Session((), (), ()), saved)
    monkeypatch.undo()
    assert (saved / FILE).read_text() == before and [p.name for p in saved.parent.glob(".*")] == []


def damage(saved: Path, **changes: object) -> None:
    said = json.loads((saved / FILE).read_text())
    (saved / FILE).write_text(json.dumps({**said, **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 99}, "version 99"),
        ({"view": {"score": {"kind": "colour", "name": "x"}}}, "no kind of score"),
        ({"shapes": [{"name": "x"}]}, "damaged"),
        ({"results": [{"file": "../../outside.h5ad", "id": "x", "slide": "y"}]}, "outside the session"),
        ({"results": [{"file": "results/gone.h5ad", "id": "x", "slide": "y"}]}, "There is no file"),
    ],
)
def test_a_damaged_session_is_a_sentence(saved: Path, changes: dict[str, object], message: str) -> None:
    damage(saved, **changes)
    with pytest.raises(MolfError, match=message):
        read_session(saved)


def test_half_a_file_is_a_sentence_and_other_folders_are_not_ours(saved: Path, tmp_path: Path) -> None:
    text = (saved / FILE).read_text()
    (saved / FILE).write_text(text[: len(text) // 2])
    with pytest.raises(MolfError, match="damaged"):
        read_session(saved)
    assert get_session_reader(str(tmp_path)) is None and get_session_reader([str(saved)]) is None
