"""Sentences follow from numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from molf_engine.evaluation.routing import findings
from molf_engine.evaluation.routing.type_test import compare_types
from tests.molf_engine.evaluation.routing.made import use


def model(uses: list, nameless: list | None = None) -> Any:
    test = compare_types(uses, permutations=199)
    other = None if nameless is None else compare_types(nameless, permutations=199)
    return SimpleNamespace(uses=uses, nameless=nameless, test=test, nameless_test=other, experts=("E1", "E2"))


def patients(code: str, *first: float) -> list:
    return [use([share, 1 - share], code, f"{code}{number}") for number, share in enumerate(first)]


DIFFERENT = [*patients("IDC", 0.1, 0.12, 0.11, 0.13), *patients("PRAD", 0.9, 0.88, 0.91, 0.87)]
ALIKE = [*patients("IDC", 0.4, 0.5, 0.6, 0.55), *patients("PRAD", 0.5, 0.6, 0.4, 0.45)]


def test_types_differ_only_where_p_says_so() -> None:
    assert "differs by cancer type" in findings.type_sentences(model(DIFFERENT, DIFFERENT))[0]
    assert "is not shown to differ" in findings.type_sentences(model(ALIKE, ALIKE))[0]


def test_one_type_cannot_be_compared_and_nothing_else_is_said_of_it() -> None:
    sentences = findings.type_sentences(model(patients("IDC", 0.1, 0.9), patients("IDC", 0.1, 0.9)))
    assert len(sentences) == 1
    assert "cannot be said: all sections are of one cancer type (IDC)" in sentences[0]


def test_a_difference_that_the_label_makes_is_told_apart_from_one_of_the_image() -> None:
    assert "still differs" in findings.type_sentences(model(DIFFERENT, DIFFERENT))[1]
    assert "no longer shown to differ" in findings.type_sentences(model(DIFFERENT, ALIKE))[1]
    assert "cannot be told apart" in findings.type_sentences(model(DIFFERENT))[1]


def test_too_few_patients_to_show_anything_are_named() -> None:
    few = [*patients("IDC", 0.1, 0.1), *patients("PRAD", 0.9, 0.9)]
    assert "no p below 0.33 is possible" in findings.type_sentences(model(few, few))[0]


def test_idle_experts_are_named() -> None:
    sentences = findings.use_sentences(model([use([1.0, 0.0])]))
    assert "In effect 1.0 of 2" in sentences[0]
    assert any("Hardly used" in sentence and "E2" in sentence for sentence in sentences)
    assert not any("Hardly used" in sentence for sentence in findings.use_sentences(model(ALIKE)))


def test_the_closest_and_the_farthest_types_are_named() -> None:
    matrix = np.array([[0, 0.1, 0.4], [0.1, 0, 0.3], [0.4, 0.3, 0]])
    sentence = findings.distance_sentence(["A", "B", "C"], matrix)
    assert "Closest are A and B (0.100), farthest A and C (0.400)" in sentence
    assert findings.distance_sentence(["A"], matrix[:1, :1]) == ""


@pytest.mark.parametrize(
    ("q", "expected"), [([0.01, 0.2], "1 of 2 differences of genes hold"), ([np.nan, np.nan], "described, not tested")]
)
def test_tests_of_genes_are_counted_or_said_to_be_missing(q: list[float], expected: str) -> None:
    table = pd.DataFrame({"kind": "gene", "q": q, "patients": 2})
    assert expected in findings.effect_sentences(table, "gene")[0]


def test_depth_is_named_where_it_differs() -> None:
    table = pd.DataFrame({"kind": "depth", "expert": ["E1", "E2"], "difference": [-0.8, 0.1]})
    (sentence,) = findings.depth_sentences(table)
    assert "E1 (-0.80)" in sentence
    assert "E2" not in sentence
