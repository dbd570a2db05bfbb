"""What is remembered between sessions."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from napari_molf.desk.settings import FAVOURITES, OPACITY, RELATIVE, Key, Settings, settings_path


def test_a_session_finds_what_the_one_before_has_set(qtbot) -> None:
    first = Settings(settings_path())
    first.set(OPACITY, 0.25)
    first.set(FAVOURITES, ["gene:EPCAM"])
    qtbot.waitUntil(settings_path().is_file)
    second = Settings(settings_path())
    assert (second.get(OPACITY), second.get(FAVOURITES)) == (0.25, ["gene:EPCAM"])
    assert second.get(RELATIVE) is False and not second.knows(RELATIVE) and second.knows(OPACITY)


def test_two_windows_keep_what_each_has_changed(qtbot) -> None:
    one, other = Settings(settings_path()), Settings(settings_path())
    one.set(OPACITY, 0.25)
    one.flush()
    other.set(RELATIVE, True)
    other.flush()
    later = Settings(settings_path())
    assert (later.get(OPACITY), later.get(RELATIVE)) == (0.25, True)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"values": 3}', b"\xff\xfe"])
def test_a_damaged_file_is_logged_and_replaced(qtbot, caplog, content: bytes) -> None:
    path = settings_path()
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        settings = Settings(path)
    assert settings.get(OPACITY) == OPACITY.default and str(path) in caplog.text
    settings.set(OPACITY, 0.5)
    settings.flush()
    assert json.loads(path.read_text())["values"] == {"show.opacity": 0.5}


def test_a_value_of_another_type_counts_as_never_set(qtbot) -> None:
    path = settings_path()
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"values": {"show.opacity": "much", "show.relative": 1, "show.favourites": [1]}}))
    settings = Settings(path)
    assert settings.get(OPACITY) == 0.7 and settings.get(RELATIVE) is False
    path.write_text(json.dumps({"values": {"show.opacity": 1}}))
    assert Settings(path).get(OPACITY) == 1


def test_a_value_of_another_type_cannot_be_set(qtbot) -> None:
    with pytest.raises(TypeError, match="number is int"):
        Settings().set(Key("number", 1), "one")  # type: ignore[arg-type]


def test_a_folder_that_cannot_be_written_is_a_sentence(qtbot, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(tmp_path / "file" / "settings.json")
    settings.set(OPACITY, 0.5)
    with qtbot.waitSignal(settings.failed) as failed:
        settings.flush()
    assert "Cannot write" in failed.args[0]


def test_without_a_file_nothing_outlives_the_object(qtbot, own_cache: Path) -> None:
    settings = Settings()
    settings.set(OPACITY, 0.5)
    settings.flush()
    assert settings.get(OPACITY) == 0.5 and not settings_path().exists()
