from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from molf_engine.baselines.whole_slide import every_training_spots, totals, training_spots
from molf_engine.errors import DataError

from .sections import GENES, section


def test_spots_without_features_are_left_out_and_unmeasured_targets_are_0() -> None:
    slide = section(1)
    slide.features[[3, 7], 0] = np.nan
    rows = training_spots(slide, len(GENES))
    assert (len(rows.features), len(rows.targets), len(rows.positions_um), len(rows.log_total)) == (38,) * 4
    assert not rows.targets[:, ~rows.measured].any()
    np.testing.assert_array_equal(rows.targets[3], np.where(slide.measured, slide.targets[4], 0))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("features", np.zeros(40)),
        ("positions_um", np.zeros((40, 3))),
        ("targets", np.zeros((39, 6))),
        ("measured", np.ones(5, dtype=bool)),
        ("log_total", np.zeros((40, 1))),
    ],
)
def test_shapes_that_do_not_fit_are_refused_with_the_section_s_name(name: str, value: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"S0.*should be"):
        training_spots(replace(section(0), **{name: value}), len(GENES))


@pytest.mark.parametrize("name", ["targets", "log_total", "positions_um"])
def test_measurements_that_are_not_finite_are_counted_and_refused(name: str) -> None:
    slide = section(0)
    getattr(slide, name)[5] = np.inf
    with pytest.raises(DataError, match="S0: 1 of 40 spots"):
        training_spots(slide, len(GENES))


def test_sections_of_two_encoders_are_refused() -> None:
    with pytest.raises(DataError, match="S1 has features of width 4, other sections of width 5"):
        list(every_training_spots([section(0), replace(section(1), features=section(1).features[:, 1:])], len(GENES)))


def test_an_extrapolated_total_stops_far_above_any_patch() -> None:
    np.testing.assert_allclose(totals(np.array([-1.0, np.log(500), 99])), [1, 500, np.exp(16)], rtol=1e-6)
