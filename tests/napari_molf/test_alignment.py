"""Maps lie on the slide to the pixel: drawn by a real viewer with real OpenGL."""

from __future__ import annotations

import numpy as np
import pytest

from molf_engine.slides import TissueMask, patch_grid
from napari_molf.core.layers import ResultLayers
from napari_molf.core.maps import PatchMap
from napari_molf.core.run import map_of_patches
from napari_molf.core.slide_layer import slide_layer_data
from tests.napari_molf.fakes import ArraySlide, shrink

HEIGHT, WIDTH = 777, 1001
SIZE = 37.0  # a patch, level-0 pixels: odd, and no divisor of the slide
# An L, so that any flip, turn or exchange of x and y shows.
CELLS = [(3, 5), (4, 5), (5, 5), (5, 6), (9, 20)]


def marked_slide() -> np.ndarray:
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for row, col in CELLS:
        y, x = int(row * SIZE), int(col * SIZE)
        image[y : y + int(SIZE), x : x + int(SIZE)] = 0
    return image


def patches(um_per_pixel: float) -> PatchMap:
    """The marked cells of the grid that the engine lays over the slide."""
    slide = ArraySlide([marked_slide()], um_per_pixel)
    everywhere = TissueMask(np.ones((HEIGHT, WIDTH), bool), (1.0, 1.0))
    grid = patch_grid(slide, SIZE * um_per_pixel, mask=everywhere)
    cells = list(zip(grid.rows.tolist(), grid.cols.tolist(), strict=True))
    return map_of_patches(grid.subset(np.array([cells.index(cell) for cell in CELLS])))


def look_at_the_l(viewer, um_per_pixel: float) -> None:
    """Two screen pixels to a pixel of the slide, edges on edges: no rounding can go either way."""
    viewer.canvas.background_color_override = "white"
    viewer.scene.camera.zoom = 2 / um_per_pixel
    height, width = viewer.canvas.size
    # An odd canvas has its centre in the middle of a screen pixel.
    centre = (120 + height % 2 / 4, 300 + width % 2 / 4)
    viewer.scene.camera.center = tuple(c * um_per_pixel for c in centre)


def dark(viewer) -> np.ndarray:
    """Screen pixels that are the marker: neither the white of the slide nor the canvas."""
    image = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    return image.max(axis=2) < 20


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("um_per_pixel", [0.5, 0.6883])
def test_the_map_covers_the_same_screen_pixels_as_what_it_was_made_from(
    viewer, um_per_pixel: float, smooth: bool
) -> None:
    data, arguments, _ = slide_layer_data(ArraySlide([marked_slide()], um_per_pixel))
    slide_layer = viewer.add_image(data, **arguments)
    look_at_the_l(viewer, um_per_pixel)
    expected = dark(viewer)
    assert expected.sum() == 4 * 4 * SIZE**2  # the four cells in view, each pixel twice as wide and high

    slide_layer.visible = False
    layers = ResultLayers(viewer, "run", patches(um_per_pixel))
    layer = layers.show_score(np.zeros(len(CELLS)), "marker", (0.0, 1.0))
    layer.colormap, layer.opacity, layer.colorbar.visible = "gray", 1.0, False
    layers.set_smooth(smooth)
    # A smooth map neither bleeds out of the tissue nor shrinks at its edge.
    assert np.array_equal(dark(viewer), expected)


def test_coarse_levels_lie_under_the_map_within_one_of_their_pixels(viewer) -> None:
    image = marked_slide()
    slide = ArraySlide([image, shrink(image, 259, 334), shrink(image, 86, 111)])  # 9.03 and 9.02 times smaller
    data, arguments, _ = slide_layer_data(slide)
    slide_layer = viewer.add_image(data, **arguments)
    slide_layer.locked_data_level = 2
    look_at_the_l(viewer, 0.5)
    coarse = dark(viewer)

    slide_layer.visible = False
    layer = ResultLayers(viewer, "run", patches(0.5)).show_score(np.zeros(len(CELLS)), "marker", (0.0, 1.0))
    layer.colormap, layer.opacity, layer.colorbar.visible = "gray", 1.0, False
    exact = dark(viewer)
    for axis in (0, 1):
        a, b = (np.nonzero(m.any(axis=axis))[0] for m in (coarse, exact))
        # Half a coarse pixel is 4.5 pixels of the slide, 9 of the screen.
        assert abs(a[0] - b[0]) <= 10 and abs(a[-1] - b[-1]) <= 10
        assert abs(a.mean() - b.mean()) < 9


def test_patches_off_tissue_are_transparent_and_the_marker_is_not_mirrored(viewer) -> None:
    layers = ResultLayers(viewer, "run", patches(0.5))
    layer = layers.show_score(np.ones(len(CELLS)), "marker", (0.0, 1.0))
    layer.colorbar.visible = False
    layer.opacity = 1.0
    viewer.canvas.background_color_override = "white"
    viewer.reset_view()
    image = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    yellow = (image[..., 0] > 200) & (image[..., 2] < 100)
    _, xs = np.nonzero(yellow)
    # The lone cell is right of and below the L.
    assert xs.max() - np.median(xs) > 3 * (np.median(xs) - xs.min())
    assert (image[5, 5] == 255).all()
