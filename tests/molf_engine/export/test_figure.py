"""Figures: where the colours lie, what is written beside them, and that words stay words."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from molf_engine.errors import MolfError
from molf_engine.export import Shown
from molf_engine.export.backdrop import backdrop, clipped
from molf_engine.export.figure import Look, draw, expert_shares, limits_of, picture, scale_bar_um, write_figure
from tests.napari_molf.fakes import ArraySlide, prediction

BLUE_TO_RED = ((0.0, 0.0, 1.0, 1.0), (1.0, 0.0, 0.0, 1.0))


def words_of(figure) -> str:
    """Everything that is written in a figure, in one line."""
    from matplotlib.text import Text

    return " ".join(" ".join(text.get_text() for text in figure.findobj(Text)).split())


def drawn_over_slide(shown: Shown, look: Look) -> np.ndarray:
    """(height, width, 3) of the map alone, pixels of equal size over the box of the look."""
    figure = draw(shown, shown.find(["EPCAM"])[0], look)
    figure.canvas.draw()
    image = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    place = figure.axes[0].get_window_extent()
    top, bottom = round(image.shape[0] - place.y1), round(image.shape[0] - place.y0)
    return image[top + 2 : bottom - 2, round(place.x0) + 2 : round(place.x1) - 2]


@pytest.mark.parametrize("free", [False, True], ids=["grid", "free positions"])
def test_each_patch_has_the_colour_of_its_value_where_it_lies(free: bool) -> None:
    adata = prediction(free=free)
    adata.X[:, 0] = np.where(adata.obsm["spatial"][:, 0] > 100, 1.0, 0.0)
    look = Look((0.0, 1.0), BLUE_TO_RED, 1.0, (0.0, 0.0, 200.0, 160.0))
    image = drawn_over_slide(Shown(adata), look)
    height, width = image.shape[:2]

    def at(x: float, y: float) -> tuple[int, ...]:
        return tuple(int(v) for v in image[int(y / 160 * height), int(x / 200 * width)])

    assert at(60, 20) == at(20, 60) == at(20, 140) == (0, 0, 255)
    assert at(180, 20) == at(140, 60) == (255, 0, 0)
    # No patch in the upper left corner: the tissue is seen there.
    assert at(20, 20) == (200, 200, 200)


def test_the_tissue_shows_through(shown: Shown) -> None:
    adata = shown.adata
    adata.X[:, 0] = 1.0
    image = drawn_over_slide(shown, Look((0.0, 1.0), BLUE_TO_RED, 0.5, (0.0, 0.0, 200.0, 160.0)))
    height, width = image.shape[:2]
    assert image[height // 2, width // 2] == pytest.approx((228, 100, 100), abs=2)


def test_a_figure_says_all_that_it_takes_to_read_it(shown: Shown) -> None:
    words = words_of(draw(shown, shown.find(["CD3E"])[0]))
    assert "CD3E · slide" in words and "CD3E, log(1 + counts per 10,000)" in words
    assert "20 µm" in words
    assert "model fake-12345678" in words and "guidance 2" in words
    assert "Research use only: predicted, not measured." in words and "drawn from its thumbnail" in words


def test_experts_are_named_with_their_shares(shown: Shown) -> None:
    named = Shown(shown.adata, expert_names=["stroma", "tumour", "immune"])
    words = words_of(draw(named, None))
    for expert, share in expert_shares(named):
        assert f"{named.experts[expert]} {share:.0%}" in words
    assert sum(share for _, share in expert_shares(named)) == pytest.approx(1)


def test_a_scale_bar_is_a_round_number_of_a_quarter_of_the_width() -> None:
    assert [scale_bar_um(width) for width in (4368.0, 100.0, 8.0, 0.5, 50_000.0)] == [1000.0, 20.0, 2.0, 0.1, 10_000.0]


def test_limits_are_percentiles_and_never_empty() -> None:
    assert limits_of(np.array([np.nan, *range(101)])) == (1.0, 99.0)
    assert limits_of(np.full(5, 3.0)) == (2.5, 3.5)
    assert limits_of(np.full(5, np.nan)) == (0.0, 1.0)


def test_the_slide_is_read_where_it_is_shown(shown: Shown) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (160, 200, 3), np.uint8)
    under = backdrop(shown, (40.0, 20.0, 120.0, 100.0), ArraySlide([image]))
    assert not under.thumbnail and np.array_equal(under.image, image[20:100, 40:120])


def test_a_large_slide_is_read_at_the_level_that_fits(shown: Shown) -> None:
    levels = [np.zeros((1600, 2000, 3), np.uint8), np.zeros((400, 500, 3), np.uint8)]
    slide = ArraySlide(levels)
    under = backdrop(shown, (0.0, 0.0, 2000.0, 1600.0), slide, 250)
    assert under.image.shape == (200, 250, 3)
    assert slide.reads == [(1, 400 * 500)]


def test_a_box_stays_inside_the_slide(shown: Shown) -> None:
    assert clipped((-50.0, 10.0, 500.0, 90.0), shown) == (0.0, 10.0, 200.0, 90.0)
    assert clipped((900.0, 0.0, 950.0, 40.0), shown) == (0.0, 0.0, 200.0, 160.0)


def test_png_holds_its_provenance(shown: Shown, tmp_path: Path) -> None:
    write_figure(shown, tmp_path / "map.png", shown.find(["CD3E"])[0])
    with Image.open(tmp_path / "map.png") as image:
        assert image.width > 1000
        assert "predicted, not measured" in image.text["Description"]


def test_words_stay_words_in_svg_and_the_tissue_is_one_picture(tmp_path: Path) -> None:
    adata = prediction()
    adata.uns["molf"]["slide"]["name"] = name = "A&B <1> $x$"
    adata.uns["spatial"][name] = adata.uns["spatial"].pop("slide")
    shown = Shown(adata)
    write_figure(shown, tmp_path / "map.svg", shown.find(["CD3E"])[0])
    root = ElementTree.parse(tmp_path / "map.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    words = " ".join("".join(text.itertext()) for text in root.iter(f"{space}text"))
    assert "CD3E, log(1 + counts per 10,000)" in words and "predicted, not measured" in words
    assert "A&B <1> $x$" in words
    pictures = [image.get("{http://www.w3.org/1999/xlink}href") for image in root.iter(f"{space}image")]
    assert pictures and all(href.startswith("data:image/png;base64,") for href in pictures)
    # No patch is a shape of its own.
    assert len(list(root.iter(f"{space}path"))) < 60


def test_svg_of_a_photograph_stays_small(tmp_path: Path) -> None:
    # Noise is the worst that a slide can do to PNG.
    noise = np.random.default_rng(0).integers(0, 255, (1600, 2000, 3), np.uint8)
    shown = Shown(prediction(40, 50))
    write_figure(shown, tmp_path / "map.svg", shown.find(["CD3E"])[0], slide=ArraySlide([noise]))
    assert (tmp_path / "map.svg").stat().st_size < 4e6


def test_a_picture_for_the_clipboard_is_the_same_figure(shown: Shown) -> None:
    with Image.open(io.BytesIO(picture(shown, None))) as image:
        assert image.format == "PNG" and image.width > 1000


def test_what_cannot_be_drawn_is_said(shown: Shown, tmp_path: Path) -> None:
    with pytest.raises(MolfError, match=r"ends in \.png or \.svg"):
        write_figure(shown, tmp_path / "map.bmp", None)
    with pytest.raises(MolfError, match="There is no colour map rainbowish"):
        draw(shown, shown.find(["CD3E"])[0], Look(colours="rainbowish"))
