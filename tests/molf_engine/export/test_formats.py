"""Every format: whole or not at all, and an ending that says what it is."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from molf_engine.errors import Cancelled, MolfError
from molf_engine.export import FORMATS, Format, Shown, export, format_named, format_of, with_suffix
from molf_engine.export import table as table_module
from molf_engine.files import atomic_path
from molf_engine.progress import Progress

# spatialdata is not installed everywhere; test_spatial_data.py looks at it.
WRITTEN = [one for one in FORMATS if one.key != "spatialdata"]
every_format = pytest.mark.parametrize("chosen", WRITTEN, ids=lambda one: one.key)


def contents(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@every_format
def test_a_format_is_written_under_the_name_that_was_asked_for(shown: Shown, tmp_path: Path, chosen: Format) -> None:
    path = tmp_path / f"result{chosen.suffix}"
    export(shown, path, chosen, shown.find(["CD3E"]))
    assert path.exists()
    beside = {table_module.sidecar(path)} if chosen.key == "csv" else set()
    assert set(tmp_path.iterdir()) == {path, *beside}


@every_format
def test_a_full_disk_leaves_nothing_behind_and_the_old_file_as_it_was(
    shown: Shown, tmp_path: Path, chosen: Format, monkeypatch
) -> None:
    path = tmp_path / f"result{chosen.suffix}"
    path.write_text("before")

    def full(source: Path, target: Path) -> None:
        assert source.exists()
        raise OSError(errno.ENOSPC, "No space left on device", str(source))

    monkeypatch.setattr("molf_engine.files.replace_path", full)
    with pytest.raises(MolfError, match=r"Cannot write .*: the disk is full\. Free some space"):
        export(shown, path, chosen, shown.find(["CD3E"]))
    assert contents(tmp_path) == {path.name} and path.read_text() == "before"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_disk_that_fills_up_while_patches_are_written_is_said(shown: Shown, tmp_path: Path, monkeypatch) -> None:
    really_open = Path.open

    def full(path: Path, mode: str = "r", *args: object, **kwargs: object):
        return really_open(Path("/dev/full") if "w" in mode else path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    for chosen in (format_named("geojson"), format_named("csv")):
        with pytest.raises(MolfError, match="the disk is full"):
            export(shown, tmp_path / f"result{chosen.suffix}", chosen, shown.find(["CD3E"]))
    assert not contents(tmp_path)


@every_format
@pytest.mark.parametrize("step", [0, 1])
def test_cancelling_leaves_nothing_behind(shown: Shown, tmp_path: Path, chosen: Format, step: int) -> None:
    path = tmp_path / f"result{chosen.suffix}"
    told = []

    def cancel(progress: Progress) -> None:
        told.append(progress)
        if len(told) > step:
            raise Cancelled

    with pytest.raises(Cancelled):
        export(shown, path, chosen, shown.find(["CD3E", "HYPOXIA"]), progress=cancel)
    assert not contents(tmp_path)


@every_format
def test_an_existing_file_is_kept_unless_it_may_go(shown: Shown, tmp_path: Path, chosen: Format) -> None:
    path = tmp_path / f"result{chosen.suffix}"
    path.write_text("before")
    with pytest.raises(MolfError, match="exists already"):
        export(shown, path, chosen, shown.find(["CD3E"]), overwrite=False)
    assert contents(tmp_path) == {path.name} and path.read_text() == "before"


def test_a_writer_whose_threads_go_on_leaves_nothing(tmp_path: Path) -> None:
    def write_late(folder: Path) -> None:
        while folder.exists():
            pass
        (folder / "late").mkdir(parents=True)

    with pytest.raises(MolfError, match="the disk is full"), atomic_path(tmp_path / "result.zarr") as beside:
        beside.mkdir()
        late = threading.Thread(target=write_late, args=(beside,))
        late.start()
        raise OSError(errno.ENOSPC, "No space left on device")
    late.join()
    assert not contents(tmp_path)


def test_a_folder_that_nobody_may_write_to_is_said(shown: Shown, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MolfError, match="part of that path is a file"):
        export(shown, tmp_path / "file" / "scores.csv", format_named("csv"), shown.find(["CD3E"]))


def test_an_ending_says_the_format() -> None:
    found = {name: format_of(Path(name)).key for name in ("a.h5ad", "a.zarr", "a.CSV", "a.ome.tif", "a.tiff", "a.htm")}
    assert found == {
        "a.h5ad": "h5ad",
        "a.zarr": "zarr",
        "a.CSV": "csv",
        "a.ome.tif": "ome-tiff",
        "a.tiff": "ome-tiff",
        "a.htm": "html",
    }
    with pytest.raises(MolfError, match=r"a\.docx ends in no known format"):
        format_of(Path("a.docx"))
    with pytest.raises(MolfError, match="There is no format word"):
        format_named("word")


def test_a_name_without_its_ending_is_given_one() -> None:
    tiff = format_named("ome-tiff")
    assert with_suffix(Path("maps"), tiff) == Path("maps.ome.tif")
    assert with_suffix(Path("maps.v2"), tiff) == Path("maps.v2.ome.tif")
    assert with_suffix(Path("maps.OME.TIF"), tiff) == Path("maps.OME.TIF")
    assert with_suffix(Path("maps.tiff"), tiff) == Path("maps.tiff")
    assert with_suffix(Path("page.htm"), format_named("html")) == Path("page.htm")
