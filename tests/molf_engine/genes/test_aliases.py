from __future__ import annotations

import pytest

from molf_engine.genes import approved_symbol, approved_symbols, orthologs, panel, read_as


@pytest.mark.parametrize(
    ("earlier", "today"),
    [
        ("CTGF", "CCN2"),
        ("CYR61", "CCN1"),
        ("C8orf59", "RBIS"),
        ("H3F3A", "H3-3A"),
        ("FAM46C", "TENT5C"),
        ("HER2", "ERBB2"),
    ],
)
def test_earlier_and_other_names_mean_one_gene(earlier: str, today: str) -> None:
    assert approved_symbol(earlier) == today


def test_a_symbol_of_today_and_an_unknown_name_are_themselves() -> None:
    assert approved_symbol("ERBB2") == "ERBB2"
    assert approved_symbol("NO_GENE") == "NO_GENE"


def test_no_alias_is_also_the_symbol_of_another_gene() -> None:
    aliases = approved_symbols()
    assert not set(aliases) & set(aliases.values())
    assert len(aliases) > 10_000


def test_both_sides_may_be_old() -> None:
    assert read_as(["CCN2"], ["CTGF", "OTHER"]) == {"CCN2": "CTGF"}
    # The released panel itself holds symbols that have changed.
    assert "H3F3A" in panel("molf-1386")
    assert read_as(["H3F3A"], ["H3-3A"]) == {"H3F3A": "H3-3A"}


def test_two_names_of_one_gene_are_left_alone() -> None:
    assert read_as(["CCN2"], ["CTGF", "IGFBP8"]) == {}
    assert read_as(["H3F3A", "H3-3A"], ["H3F3"]) == {}


def test_no_symbol_of_a_mouse_is_taken_for_another_name_of_a_human_gene() -> None:
    # Fli1 is the mouse's FLI1, and an alias of FLII; T is brachyury, TBXT, in both.
    assert set(approved_symbols()) & set(orthologs("mouse").values()) <= {"T"}
    assert approved_symbol("T") == "TBXT"
    assert read_as(["FLII", "CA2"], ["Fli1", "Car2"]) == {}
