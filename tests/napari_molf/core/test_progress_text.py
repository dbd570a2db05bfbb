"""Waiting, in words."""

from __future__ import annotations

import pytest

from molf_engine.progress import Progress
from napari_molf.core.progress_text import RateMeter, duration, headline, pace


def test_a_phase_says_how_far_it_is() -> None:
    assert headline(Progress("Encoding patches", 1240, 3870)) == "Encoding patches  1,240 / 3,870"
    assert headline(Progress("Finding tissue", 0, 0)) == "Finding tissue …"


def test_pace_says_rate_and_time_left() -> None:
    assert pace(Progress("Encoding patches", 1240, 3870), 212.0) == "212/s  ·  12 s left"
    assert pace(Progress("Encoding patches", 1240, 3870), None) == ""


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (89, "89 s"), (180, "3 min"), (7800, "2 h 10 min")])
def test_durations_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_rate_is_that_of_the_last_seconds_of_this_phase() -> None:
    meter = RateMeter()
    meter.add(0.0, Progress("Reading cache", 500, 1000))
    meter.add(1.0, Progress("Encoding patches", 0, 1000))
    assert meter.rate is None
    meter.add(1.2, Progress("Encoding patches", 20, 1000))
    assert meter.rate is None  # too short a time to know
    meter.add(3.0, Progress("Encoding patches", 200, 1000))
    assert meter.rate == pytest.approx(100)
    for second in range(4, 20):
        meter.add(float(second), Progress("Encoding patches", 200 + 10 * (second - 3), 1000))
    assert meter.rate == pytest.approx(10)
