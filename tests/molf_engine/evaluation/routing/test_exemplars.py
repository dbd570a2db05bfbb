"""Choice of the patches that an expert is surest of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from molf_engine.evaluation.routing.exemplars import exemplars, read_images, section_limit
from tests.molf_engine.evaluation.routing.made import routed


def sections() -> list:
    """In A every logit of E1 is above all of B."""
    spots = np.arange(50.0)
    return [
        routed(np.column_stack([100 + spots, spots * 0, spots * 0]), "A", active=1),
        routed(np.column_stack([spots, spots * 0 + 60, spots * 0]), "B", "PRAD", active=1),
    ]


def test_without_a_limit_one_section_can_fill_the_page() -> None:
    found = exemplars(sections(), 0)
    assert [exemplar.section for exemplar in found] == ["A"] * 36
    assert [exemplar.logit for exemplar in found] == list(range(149, 113, -1))


def test_with_a_limit_it_cannot() -> None:
    found = exemplars(sections(), 0, per_section=4)
    assert [exemplar.section for exemplar in found] == ["A"] * 4 + ["B"] * 4
    assert [exemplar.type for exemplar in found] == ["IDC"] * 4 + ["PRAD"] * 4


def test_being_sure_is_not_being_used() -> None:
    found = exemplars(sections(), 0, per_section=4)
    assert [exemplar.used for exemplar in found] == [True] * 4 + [False] * 4


def test_few_sections_may_give_more_each() -> None:
    assert section_limit(2) == 18
    assert section_limit(7) == 6
    assert section_limit(300) == 4


def test_a_slide_that_is_gone_leaves_a_gap_and_a_reason(tmp_path: Path) -> None:
    gone = [routed([[1.0, 0]], "A", folder=tmp_path)]
    found = exemplars(gone, 0)
    images = read_images(gone, found, 100)
    assert images.of(found[0]) is None
    assert str(tmp_path / "A.tif") in images.missing["A"]


def test_a_damaged_slide_is_a_reason_too(tmp_path: Path) -> None:
    (tmp_path / "A.tif").write_bytes(b"II*\0 nothing of a slide")
    damaged = [routed([[1.0, 0]], "A", folder=tmp_path)]
    assert read_images(damaged, exemplars(damaged, 0), 100).missing["A"]
