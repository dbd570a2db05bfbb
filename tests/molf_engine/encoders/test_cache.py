"""The feature cache: what is found again, what survives, what is dropped."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from molf_engine.encoders import FeatureCache, encode_patches
from molf_engine.encoders.cache import View
from molf_engine.errors import MolfError
from molf_engine.slides import Patches, Slide

from .toy import MeanColour

ROOT = Path(__file__).resolve().parents[3]


def view(letter: str = "a", **changes: object) -> View:
    plain = View(slide=letter * 64, encoder="toy-v1:0", field_um=64.0, field_px=16, um_per_pixel=0.5, width=3)
    return replace(plain, **changes)  # type: ignore[arg-type]


def rows(count: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    number = np.arange(first, first + count, dtype=np.float64)
    return np.stack([number * 10, number * 20], axis=1), np.stack([number] * 3, axis=1).astype(np.float32)


def child(slide_path: Path, cache: Path, first: int, last: int, seconds: float) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    script = str(Path(__file__).with_name("child_encode.py"))
    return subprocess.Popen(
        [sys.executable, script, str(slide_path), str(cache), str(first), str(last), str(seconds)], env=environment
    )


def test_features_are_found_by_centre_in_any_order(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    centres, features = rows(10)
    cache.add(view(), centres, features)
    asked = np.array([[1.0, 1.0], centres[7], centres[2]])
    index, found = cache.find(view(), asked)
    assert index.tolist() == [1, 2]
    np.testing.assert_array_equal(found, features[[7, 2]])


@pytest.mark.parametrize(
    "other",
    [{"encoder": "toy-v1:1"}, {"field_um": 112.0}, {"field_px": 32}, {"um_per_pixel": 0.25}, {"slide": "b" * 64}],
    ids=lambda change: next(iter(change)),
)
def test_another_view_finds_nothing(tmp_path: Path, other: dict[str, object]) -> None:
    cache = FeatureCache(tmp_path)
    centres, features = rows(4)
    cache.add(view(), centres, features)
    assert len(cache.find(view(**other), centres)[0]) == 0


def test_a_damaged_chunk_is_dropped_and_the_rest_is_read(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.add(view(), *rows(4))
    cache.add(view(), *rows(4, first=4))
    chunk = sorted(tmp_path.rglob("*.npz"))[0]
    chunk.write_bytes(chunk.read_bytes()[:-40])
    index, found = cache.find(view(), rows(8)[0])
    assert index.tolist() == [4, 5, 6, 7]
    np.testing.assert_array_equal(found, rows(4, first=4)[1])
    assert not chunk.exists()


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.add(view(), *rows(50))
    chunk = next(tmp_path.rglob("*.npz"))
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    assert len(cache.find(view(), rows(50)[0])[0]) == 0


def test_tidying_merges_chunks_and_loses_nothing(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    for first in range(0, 60, 2):
        cache.add(view(), *rows(3, first=first))
    cache.tidy(view())
    assert len(list(tmp_path.rglob("*.npz"))) == 1
    index, found = cache.find(view(), rows(61)[0])
    assert len(index) == 61
    np.testing.assert_array_equal(found, rows(61)[1])


def test_above_its_size_the_least_recently_used_slide_goes(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    for age, letter in ((300, "a"), (200, "b"), (100, "c")):
        cache.add(view(letter), *rows(200))
        os.utime(tmp_path / (letter * 24), (time.time() - age,) * 2)
    one_slide = cache.info().bytes // 3
    cache.find(view("a"), rows(1)[0])
    FeatureCache(tmp_path, max_bytes=int(3.5 * one_slide)).add(view("d"), *rows(200))
    kept = {letter for letter in "abcd" if len(cache.find(view(letter), rows(200)[0])[0])}
    assert kept == {"a", "c", "d"}


def test_the_slide_being_written_is_never_dropped(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, max_bytes=1)
    cache.add(view("a"), *rows(50))
    cache.add(view("b"), *rows(50))
    assert cache.info().slides == 1
    assert len(cache.find(view("b"), rows(50)[0])[0]) == 50


def test_clear_forgets_features_and_touches_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    cache = FeatureCache(tmp_path)
    cache.add(view(), *rows(5))
    path, slides, size = cache.info()
    assert path == tmp_path
    assert slides == 1
    assert size > 0
    cache.clear()
    assert cache.info()[1:] == (0, 0)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "mine"


def test_the_folder_comes_from_the_environment(own_cache: Path) -> None:
    cache = FeatureCache()
    cache.add(view(), *rows(1))
    assert cache.folder.is_relative_to(own_cache)
    assert cache.info().slides == 1


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(MolfError, match="file"):
        FeatureCache(blocked).add(view(), *rows(1))


def test_two_processes_write_the_same_cache(tmp_path: Path, slide: Slide, patches: Patches) -> None:
    half = len(patches) // 2
    children = [
        child(slide.path, tmp_path, 0, half + 40, 0.002),
        child(slide.path, tmp_path, half - 40, len(patches), 0.002),
    ]
    assert [process.wait(timeout=60) for process in children] == [0, 0]
    encoder = MeanColour()
    features = encode_patches(slide, patches, encoder, cache=FeatureCache(tmp_path))
    assert encoder.total == 0
    np.testing.assert_array_equal(features, encode_patches(slide, patches, MeanColour()))


def test_a_killed_process_leaves_a_readable_cache(tmp_path: Path, slide: Slide, patches: Patches) -> None:
    process = child(slide.path, tmp_path, 0, len(patches), 0.05)
    try:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.rglob("[0-9]*.npz"))) < 3:
            assert process.poll() is None, "the child ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    encoder = MeanColour()
    features = encode_patches(slide, patches, encoder, cache=FeatureCache(tmp_path))
    assert 0 < encoder.total < len(patches)
    np.testing.assert_array_equal(features, encode_patches(slide, patches, MeanColour()))
