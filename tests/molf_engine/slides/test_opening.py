"""Any format opens by its content; what is no slide says so."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from molf_engine.errors import SlideError
from molf_engine.slides import SlideKind, looks_like_slide, open_slide, slide_kind, thumbnail

from .conftest import marked_image, write_pyramid

SMALL = "slides/CMU-1-Small-Region.svs"
REAL = (
    (SMALL, (2220, 2967), 0.499),
    ("slides/CMU-1-Small-Region_DICOM", (2220, 2967), 0.499),
    ("slides/derived_CMU-1-Small-Region.ome.tif", (2220, 2967), 0.499),
    ("slides/TCGA-CR-7395-01A-01-TS1.svs", (4443, 3567), None),
    ("her2st/wsis/HER2ST_C2.tif", (9274, 9911), 0.6881009),
    ("her2st/wsis/HER2ST_A1.tif", (2000, 2138), 3.190256),
    ("he_only/human_tonsil_cnag.jpg", (3423, 3463), None),
    ("he_only/human_prostate_normal_10x_lowres.png", (600, 551), None),
)


@pytest.mark.parametrize(("name", "size", "um_per_pixel"), REAL, ids=[Path(name).name for name, _, _ in REAL])
def test_real_slides_open_with_their_size_and_scale(
    shared_data: Path, name: str, size: tuple[int, int], um_per_pixel: float | None
) -> None:
    with open_slide(shared_data / name) as slide:
        assert (slide.levels[0].width, slide.levels[0].height) == size
        assert slide.um_per_pixel == (None if um_per_pixel is None else pytest.approx(um_per_pixel, rel=1e-6))
        assert slide.um_per_pixel_source == ("unknown" if um_per_pixel is None else "file")
        middle = slide.read_region(size[0] // 2, size[1] // 2, 33, 17)
        assert middle.shape == (17, 33, 3) and middle.dtype == np.uint8


def test_one_slide_in_three_formats_shows_the_same_tissue(shared_data: Path) -> None:
    names = (SMALL, "slides/CMU-1-Small-Region_DICOM", "slides/derived_CMU-1-Small-Region.ome.tif")
    views = []
    for name in names:
        with open_slide(shared_data / name) as slide:
            views.append(slide.read_region(700, 900, 400, 300).astype(int))
    assert abs(views[0] - views[1]).mean() < 6
    assert abs(views[0] - views[2]).mean() < 6


def test_the_content_decides_not_the_ending(tmp_path: Path, shared_data: Path) -> None:
    picture = tmp_path / "picture.svs"
    Image.fromarray(marked_image(40, 30)).save(picture, format="PNG")
    assert slide_kind(picture) is SlideKind.IMAGE
    nameless = tmp_path / "scan"
    shutil.copy(shared_data / SMALL, nameless)
    assert slide_kind(nameless) is SlideKind.SCANNER


def test_text_named_svs_is_not_a_slide(tmp_path: Path) -> None:
    path = tmp_path / "notes.svs"
    path.write_text("not a slide at all")
    with pytest.raises(SlideError, match=r"is not a slide.*Choose another"):
        open_slide(path)


def test_the_broken_scan_fails_cleanly(shared_data: Path) -> None:
    with pytest.raises(SlideError, match="is not a slide"):
        open_slide(shared_data / "slides/broken.svs")


def test_missing_and_empty_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SlideError, match=r"no file .*nowhere.svs"):
        open_slide(tmp_path / "nowhere.svs")
    empty = tmp_path / "empty.tif"
    empty.touch()
    with pytest.raises(SlideError, match="is empty"):
        open_slide(empty)


def test_a_folder_without_a_slide_says_what_it_looked_for(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("hello")
    with pytest.raises(SlideError, match=r"folder without a slide.*OME-Zarr.*DICOM"):
        open_slide(tmp_path)


def test_the_data_folder_of_a_mrxs_slide_points_to_its_index(tmp_path: Path) -> None:
    (tmp_path / "case.mrxs").touch()
    (tmp_path / "case").mkdir()
    with pytest.raises(SlideError, match=r"Open .*case\.mrxs instead"):
        open_slide(tmp_path / "case")


def test_a_mrxs_index_without_its_folder_asks_for_it(tmp_path: Path) -> None:
    Image.fromarray(marked_image(40, 30)).save(tmp_path / "case.mrxs", format="JPEG")
    with pytest.raises(SlideError, match="Put the folder of the same name"):
        open_slide(tmp_path / "case.mrxs")


def test_a_folder_of_two_dicom_slides_asks_which(tmp_path: Path, shared_data: Path) -> None:
    uid = b"\x20\x00\x0e\x00UI"
    for source in (shared_data / "slides/CMU-1-Small-Region_DICOM").iterdir():
        content = source.read_bytes()
        (tmp_path / source.name).write_bytes(content)
        at = content.index(uid) + 20
        other = content[:at] + (b"7" if content[at : at + 1] != b"7" else b"8") + content[at + 1 :]
        (tmp_path / f"other-{source.name}").write_bytes(other)
    with pytest.raises(SlideError, match="holds 2 DICOM slides"):
        open_slide(tmp_path)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95, 0.999])
def test_a_truncated_tiff_is_refused_when_it_is_opened(tmp_path: Path, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (700, 900, 3), dtype=np.uint8)
    whole = write_pyramid(tmp_path / "whole.tif", noise, subifds=False).read_bytes()
    cut = tmp_path / "cut.tif"
    cut.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(SlideError, match=r"cut off.*source again"):
        open_slide(cut)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", [SMALL, "her2st/wsis/HER2ST_A1.tif", "slides/derived_CMU-1-Small-Region.ome.tif"])
def test_truncated_real_slides_are_refused(tmp_path: Path, shared_data: Path, name: str, share: float) -> None:
    whole = (shared_data / name).read_bytes()
    cut = tmp_path / Path(name).name
    cut.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(SlideError, match="cut off"):
        open_slide(cut)


@pytest.mark.parametrize("name", ["he_only/human_tonsil_cnag.jpg", "he_only/sows2025_visium_hires.png"])
def test_truncated_pictures_are_refused(tmp_path: Path, shared_data: Path, name: str) -> None:
    whole = (shared_data / name).read_bytes()
    cut = tmp_path / Path(name).name
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SlideError, match="cut off or damaged"):
        open_slide(cut)


def test_a_tiff_whose_directory_is_garbage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "garbage.tif"
    path.write_bytes(b"II*\x00\x08\x00\x00\x00" + bytes(range(256)) * 8)
    with pytest.raises(SlideError):
        open_slide(path)


def test_only_slides_are_offered_as_slides(tmp_path: Path, shared_data: Path) -> None:
    plain = tmp_path / "plain.tif"
    tifffile.imwrite(plain, marked_image(60, 40), photometric="rgb")
    assert not looks_like_slide(plain)
    assert not looks_like_slide(shared_data / "he_only/human_tonsil_cnag.jpg")
    assert not looks_like_slide(tmp_path / "nowhere.svs")
    assert looks_like_slide(shared_data / SMALL)
    assert looks_like_slide(shared_data / "her2st/wsis/HER2ST_A1.tif")


def test_importing_slides_loads_no_image_library() -> None:
    code = (
        "import sys, molf_engine.slides;"
        "print([m for m in ('numpy', 'tifffile', 'openslide', 'zarr', 'PIL', 'skimage', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_thumbnail_keeps_the_shape_and_never_enlarges(marked_slide: Path) -> None:
    with open_slide(marked_slide) as slide:
        small = thumbnail(slide, 200)
        assert small.shape == (149, 200, 3)
        # Red grows with x and green with y, in the thumbnail as in the slide.
        assert small[75, 100, 0] == pytest.approx(128, abs=3) and small[75, 100, 1] == pytest.approx(128, abs=3)
        assert thumbnail(slide, 5000).shape == (747, 1001, 3)
