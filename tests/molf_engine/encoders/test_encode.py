"""Encoding the patches of a slide: what is encoded, what is reported, how it stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from molf_engine.encoders import FeatureCache, encode, encode_patches
from molf_engine.errors import Cancelled, MissingScaleError, SlideError
from molf_engine.progress import Progress
from molf_engine.slides import Patches, Slide, open_slide, patches_at

from .toy import MeanColour, tissue_image

Read = Callable[..., np.ndarray]


def break_reading(monkeypatch: pytest.MonkeyPatch, patches: Patches, broken: set[int]) -> None:
    """Make the image of some patches unreadable."""
    import molf_engine.slides as slides

    read: Read = slides.read_patch
    centres = {tuple(patches.centres[index]) for index in broken}

    def read_patch(slide: Slide, centre: np.ndarray, size_um: float, size_px: int) -> np.ndarray:
        if tuple(centre) in centres:
            raise SlideError("tile is damaged")
        return read(slide, centre, size_um, size_px)

    monkeypatch.setattr(slides, "read_patch", read_patch)


def test_every_patch_gets_its_own_feature(slide: Slide, patches: Patches) -> None:
    whole = encode_patches(slide, patches, MeanColour())
    assert whole.shape == (len(patches), 6)
    order = np.random.default_rng(0).permutation(len(patches))
    np.testing.assert_array_equal(encode_patches(slide, patches.subset(order), MeanColour()), whole[order])


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 1), (7, 3), (512, 2)])
def test_batches_and_threads_change_nothing(slide: Slide, patches: Patches, batch_size: int, workers: int) -> None:
    features = encode_patches(slide, patches, MeanColour(), batch_size=batch_size, workers=workers)
    np.testing.assert_array_equal(features, encode_patches(slide, patches, MeanColour()))


def test_the_whole_slide_reuses_what_a_region_encoded(tmp_path: Path, slide: Slide, patches: Patches) -> None:
    cache = FeatureCache(tmp_path)
    region = patches.subset(slice(20, 60))
    first, second, third = MeanColour(), MeanColour(), MeanColour()
    encode_patches(slide, region, first, cache=cache)
    whole = encode_patches(slide, patches, second, cache=cache)
    again = encode_patches(slide, region, third, cache=cache)
    assert (first.total, second.total, third.total) == (40, len(patches) - 40, 0)
    np.testing.assert_array_equal(again, whole[20:60])
    np.testing.assert_array_equal(whole, encode_patches(slide, patches, MeanColour()))


def test_batches_arrive_as_they_are_known_and_cover_every_patch_once(
    tmp_path: Path, slide: Slide, patches: Patches
) -> None:
    cache = FeatureCache(tmp_path)
    encode_patches(slide, patches.subset(slice(30)), MeanColour(), cache=cache)
    seen: list[np.ndarray] = []
    partial = np.full((len(patches), 6), np.nan, np.float32)

    def keep(index: np.ndarray, features: np.ndarray) -> None:
        seen.append(index)
        partial[index] = features

    whole = encode_patches(slide, patches, MeanColour(), cache=cache, on_batch=keep)
    assert sorted(np.concatenate(seen)) == list(range(len(patches)))
    assert seen[0].tolist() == list(range(30))
    np.testing.assert_array_equal(partial, whole)


def test_progress_names_its_phases_and_ends_at_the_total(tmp_path: Path, slide: Slide, patches: Patches) -> None:
    reports: list[Progress] = []
    encode_patches(slide, patches, MeanColour(), cache=FeatureCache(tmp_path), progress=reports.append)
    assert list(dict.fromkeys(report.phase for report in reports)) == ["Reading cache", "Encoding patches"]
    done = [report.done for report in reports if report.phase == "Encoding patches"]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, len(patches))


def test_cancel_keeps_what_was_encoded(tmp_path: Path, slide: Slide, patches: Patches) -> None:
    cache = FeatureCache(tmp_path)

    def stop(report: Progress) -> None:
        if report.phase == "Encoding patches" and report.done >= 16:
            raise Cancelled

    first = MeanColour()
    with pytest.raises(Cancelled):
        encode_patches(slide, patches, first, cache=cache, progress=stop, batch_size=8)
    assert 16 <= first.total < len(patches)
    second = MeanColour()
    encode_patches(slide, patches, second, cache=cache)
    assert first.total + second.total == len(patches)


def test_cancel_is_heard_while_a_slow_disk_is_read(
    slide: Slide, patches: Patches, monkeypatch: pytest.MonkeyPatch
) -> None:
    import molf_engine.slides as slides

    read: Read = slides.read_patch
    stuck = threading.Event()

    def slow(*arguments: object) -> np.ndarray:
        stuck.wait(3)
        return read(*arguments)

    monkeypatch.setattr(slides, "read_patch", slow)
    monkeypatch.setattr(encode, "_HEARTBEAT_SECONDS", 0.02)
    calls = 0

    def stop(report: Progress) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            stuck.set()
            raise Cancelled

    with pytest.raises(Cancelled):
        encode_patches(slide, patches, MeanColour(), progress=stop)
    assert calls == 5


def test_a_slow_encoder_gets_small_batches(slide: Slide, patches: Patches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "_BATCH_SECONDS", 0.02)

    class Slow(MeanColour):
        def encode(self, images: np.ndarray) -> np.ndarray:
            time.sleep(0.01 * len(images))
            return super().encode(images)

    encoder = Slow()
    encode_patches(slide, patches.subset(slice(40)), encoder, batch_size=64)
    assert max(encoder.encoded[1:]) <= 2


def test_an_unreadable_patch_is_a_row_of_nan_and_is_said(
    tmp_path: Path, slide: Slide, patches: Patches, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = encode_patches(slide, patches, MeanColour())
    cache = FeatureCache(tmp_path)
    with monkeypatch.context() as broken:
        break_reading(broken, patches, {3, 77})
        features = encode_patches(slide, patches, MeanColour(), cache=cache)
    assert np.flatnonzero(np.isnan(features).all(axis=1)).tolist() == [3, 77]
    assert f"2 of {len(patches)} patches cannot be read" in caplog.text
    repaired = MeanColour()
    np.testing.assert_array_equal(encode_patches(slide, patches, repaired, cache=cache), whole)
    assert repaired.total == 2


def test_a_slide_of_which_nothing_can_be_read_is_refused(
    slide: Slide, patches: Patches, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_reading(monkeypatch, patches, set(range(len(patches))))
    with pytest.raises(SlideError, match=r"toy\.tif.*tile is damaged"):
        encode_patches(slide, patches, MeanColour())


def test_without_a_scale_the_option_is_named(tmp_path: Path, slide: Slide, patches: Patches) -> None:
    from PIL import Image

    path = tmp_path / "no-scale.png"
    Image.fromarray(tissue_image(128)).save(path)
    with open_slide(path) as unscaled, pytest.raises(MissingScaleError, match="--um-per-pixel"):
        encode_patches(unscaled, patches, MeanColour())


def test_no_patches_are_no_features(slide: Slide, patches: Patches) -> None:
    assert encode_patches(slide, patches.subset(slice(0)), MeanColour()).shape == (0, 6)


def test_free_positions_are_encoded_too(slide: Slide) -> None:
    free = patches_at(slide, np.array([[200.5, 210.25], [300.0, 100.0]]), 64.0)
    features = encode_patches(slide, free, MeanColour())
    assert np.isfinite(features).all()


def test_a_cache_that_cannot_be_written_does_not_stop_the_run(
    tmp_path: Path, slide: Slide, patches: Patches, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    features = encode_patches(slide, patches, MeanColour(), cache=FeatureCache(blocked))
    assert np.isfinite(features).all()
    assert "Features are not kept" in caplog.text
