"""Which points a region holds, and how large it is."""

from __future__ import annotations

import numpy as np
import pytest

from molf_engine.errors import RegionError
from molf_engine.regions import Region, membership
from molf_engine.regions.region import bridged, unbridged
from molf_engine.slides.patches import inside_any


def box(x0: float, x1: float, y0: float, y1: float) -> np.ndarray:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=float)


BOX = Region("box", ((box(0, 10, 0, 10),),))
RING = Region("ring", ((box(0, 10, 0, 10), box(4, 6, 4, 6)),))
BOW_TIE = Region("bow tie", ((np.array([(0, 0), (10, 10), (10, 0), (0, 10)], dtype=float),),))
POINTS = np.array([(1, 5), (5, 5), (5, 1), (20, 20)], dtype=float)


def test_a_patch_belongs_to_a_region_if_its_centre_is_inside() -> None:
    assert membership([BOX, RING], POINTS).tolist() == [[True, True, True, False], [True, False, True, False]]


def test_what_a_crossing_outline_encloses_is_inside_and_its_area_is_counted_once() -> None:
    # Two triangles, left and right of the crossing.
    assert BOW_TIE.holds(np.array([(1.0, 5.0), (9.0, 5.0)])).all()
    assert not BOW_TIE.holds(np.array([(5.0, 1.0), (5.0, 9.0)])).any()
    assert BOW_TIE.area == pytest.approx(50, rel=1e-5)


def test_what_an_outline_encloses_twice_is_outside() -> None:
    star = np.array([(np.cos(a), np.sin(a)) for a in np.arange(5) * 4 * np.pi / 5]) * 10
    assert not Region("star", ((star,),)).holds(np.zeros((1, 2)))[0]


def test_areas_of_boxes_holes_and_circles_are_known() -> None:
    angle = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    circle = Region("circle", ((np.column_stack([np.cos(angle), np.sin(angle)]) * 100 + 500,),))
    assert BOX.area == pytest.approx(100)
    assert RING.area == pytest.approx(96, rel=1e-3)
    assert circle.area == pytest.approx(np.pi * 100**2, rel=1e-5)


def test_what_two_polygons_of_a_region_share_counts_once() -> None:
    both = Region("both", ((box(0, 10, 0, 10),), (box(5, 15, 0, 10),)))
    assert both.area == pytest.approx(150)
    assert both.holds(np.array([(7.0, 5.0), (14.0, 5.0)])).all()


def test_an_outline_that_was_drawn_without_area_has_none() -> None:
    assert Region("line", ((np.array([(0, 0), (5, 5), (10, 10)], dtype=float),),)).area == 0


def test_holes_hang_on_a_bridge_and_come_off_it_again() -> None:
    outline = bridged(RING.polygons[0])
    assert inside_any(POINTS, [outline]).tolist() == RING.holds(POINTS).tolist()
    rings = unbridged(outline)
    assert len(rings) == 2
    assert Region("again", (rings,)).area == pytest.approx(RING.area)
    assert Region("again", (rings,)).holds(POINTS).tolist() == RING.holds(POINTS).tolist()


def test_two_holes_come_off_their_bridges() -> None:
    polygon = (box(0, 30, 0, 10), box(4, 6, 4, 6), box(20, 25, 2, 8))
    rings = unbridged(bridged(polygon))
    assert sorted(len(ring) for ring in rings) == [4, 4, 4]
    assert Region("again", (rings,)).area == pytest.approx(300 - 4 - 30, rel=1e-3)


def test_a_crossing_outline_stays_one_ring() -> None:
    rings = unbridged(BOW_TIE.polygons[0][0])
    assert len(rings) == 1
    assert Region("again", (rings,)).area == pytest.approx(50, rel=1e-5)


@pytest.mark.parametrize(
    "ring", [np.zeros((2, 2)), np.zeros((4, 3)), np.array([(0, 0), (1, 0), (np.nan, 1)]), np.zeros((0, 2))]
)
def test_what_is_no_polygon_is_refused_by_name(ring: np.ndarray) -> None:
    with pytest.raises(RegionError, match="nest"):
        Region("nest", ((ring,),))


def test_a_region_of_nothing_is_refused() -> None:
    with pytest.raises(RegionError, match="encloses nothing"):
        Region("nest", ())


def test_no_regions_and_no_patches_give_empty_tables() -> None:
    assert membership([], POINTS).shape == (0, 4)
    assert membership([BOX], np.zeros((0, 2))).shape == (1, 0)


def test_an_outline_of_many_thousand_corners_is_measured_well() -> None:
    angle = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    radius = 100 + 5 * np.sin(400 * angle)
    wavy = Region("wavy", ((np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None],),))
    assert wavy.area == pytest.approx(np.pi * (100**2 + 5**2 / 2), rel=1e-4)
