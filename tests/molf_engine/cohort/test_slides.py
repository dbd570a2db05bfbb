"""Which slides a command means."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from molf_engine.cohort.slides import (
    SlideTask,
    find_slides,
    parse_shard,
    read_list,
    refuse_equal_names,
    shard,
    with_defaults,
)
from molf_engine.errors import ConfigError


def test_a_folder_stands_for_its_slides_and_for_nothing_else(slides: Path, tmp_path: Path) -> None:
    for name in ("b.tif", "a.tif", ".hidden.tif"):
        (tmp_path / name).symlink_to(slides / "a.tif")
    (tmp_path / "cut-off.svs").write_bytes((slides / "a.tif").read_bytes()[:1000])
    (tmp_path / "notes.txt").write_text("not a slide")
    Image.new("RGB", (30, 30)).save(tmp_path / "thumbnail.png")
    Image.new("L", (30, 30)).save(tmp_path / "mask.tif")
    (tmp_path / "subfolder").mkdir()
    found = find_slides([tmp_path, slides / "c.tif"])
    # A slide that is cut off is listed: it fails later, aloud.
    assert [path.name for path in found] == ["a.tif", "b.tif", "cut-off.svs", "c.tif"]


def test_a_folder_without_slides_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a slide")
    with pytest.raises(ConfigError, match="no slide in"):
        find_slides([tmp_path])


def test_a_table_gives_each_slide_its_own_settings(tmp_path: Path) -> None:
    table = tmp_path / "cohort.csv"
    table.write_text("slide,um_per_pixel,code,features\na.svs,0.25,IDC,f/a.h5\n/data/b.svs,,,\n", encoding="utf-8-sig")
    first, second = with_defaults(read_list(table), um_per_pixel=0.5, code="Unknown", positions=None, features=None)
    assert first == SlideTask(tmp_path / "a.svs", 0.25, "IDC", tmp_path / "f" / "a.h5", None)
    assert second == SlideTask(Path("/data/b.svs"), 0.5, "Unknown")


def test_a_text_file_has_a_path_a_line(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("one.svs\n\n/data/two slides.ndpi\n")
    assert [task.slide for task in read_list(tmp_path / "list.txt")] == [
        tmp_path / "one.svs",
        Path("/data/two slides.ndpi"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("slide,um_per_px\na.svs,0.5\n", "um_per_px.*Known are slide, um_per_pixel"),
        ("file,code\na.svs,IDC\n", "no column slide"),
        ("slide,um_per_pixel\na.svs,half\n", "line 2: um_per_pixel 'half'"),
        ("slide,code\na.svs,IDC\n\n,IDC\n", "line 4: no slide"),
        ("slide,code\na.svs,IDC,more\n", "line 2: 3 cells"),
    ],
)
def test_a_table_that_makes_no_sense_names_its_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "cohort.csv").write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_list(tmp_path / "cohort.csv")


@pytest.mark.parametrize("shares", [1, 2, 3, 7])
@pytest.mark.parametrize("slides_there", [0, 1, 5, 20])
def test_shares_cover_every_slide_once_whatever_the_order(shares: int, slides_there: int) -> None:
    tasks = [SlideTask(Path(f"{number}.svs")) for number in range(slides_there)]
    parts = [shard(tasks[::-1] if share % 2 else tasks, share, shares) for share in range(1, shares + 1)]
    assert sorted(task.name for part in parts for task in part) == sorted(task.name for task in tasks)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_a_share_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="1/2"):
        parse_shard(text)
    assert parse_shard("2/5") == (2, 5)


@pytest.mark.parametrize("other", ["x/a.svs", "a.ndpi", "x/A.svs"])
def test_two_slides_of_one_name_are_refused(other: str) -> None:
    with pytest.raises(ConfigError, match="same name"):
        refuse_equal_names([SlideTask(Path("a.svs")), SlideTask(Path(other))])
