"""A slide is recognised by content."""

from __future__ import annotations

from pathlib import Path

from molf_engine.slides import fingerprint, open_slide

from .conftest import marked_image, write_pyramid


def _fingerprint(path: Path) -> str:
    with open_slide(path) as slide:
        return fingerprint(slide)


def test_a_copy_under_another_name_is_the_same_slide(tmp_path: Path) -> None:
    first = write_pyramid(tmp_path / "first.tif", marked_image(300, 200), subifds=False)
    second = tmp_path / "other.tif"
    second.write_bytes(first.read_bytes())
    assert _fingerprint(first) == _fingerprint(second)
    assert len(_fingerprint(first)) == 64


def test_other_pixels_are_another_slide(tmp_path: Path) -> None:
    first = write_pyramid(tmp_path / "first.tif", marked_image(300, 200), subifds=False)
    second = write_pyramid(tmp_path / "second.tif", 255 - marked_image(300, 200), subifds=False)
    assert _fingerprint(first) != _fingerprint(second)
