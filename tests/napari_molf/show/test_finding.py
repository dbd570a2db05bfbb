"""Finding scores by whatever a person may call them."""

from __future__ import annotations

import time

import pytest

from molf_engine.genes import hallmark_sets, panel
from napari_molf.core.names import other_names
from napari_molf.core.scores import Score
from napari_molf.show.finding import Catalogue, Entry, Found

ENTRIES = [
    *(Entry(Score("gene", name)) for name in ("EPCAM", "EPB41", "CD3E", "TP53", "DEPTOR", "ERBB2", "HLA-DRA")),
    Entry(Score("gene", "WEAK"), "low held-out skill (PCC 0.05)"),
    Entry(Score("hallmark", "EPITHELIAL_MESENCHYMAL_TRANSITION"), note="Hallmark, 120 genes of the panel"),
    Entry(Score("hallmark", "HYPOXIA")),
]
ALIASES = {"ERBB2": ("HER2", "HER-2", "NEU"), "TP53": ("P53",), "EPCAM": ("TACSTD1", "CD326")}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(ENTRIES, ALIASES)


def texts(found: list[Found]) -> list[str]:
    return [each.text for each in found]


@pytest.mark.parametrize("query", ["ep", "EP", " ep "])
def test_contains_is_enough_beginnings_come_first_and_programmes_before_genes(catalogue, query: str) -> None:
    assert texts(catalogue.find(query)) == ["EPITHELIAL_MESENCHYMAL_TRANSITION", "EPB41", "EPCAM", "DEPTOR"]


def test_names_that_only_begin_alike_come_last(catalogue) -> None:
    assert texts(catalogue.find("epi")) == ["EPITHELIAL_MESENCHYMAL_TRANSITION", "EPB41", "EPCAM"]
    assert catalogue.find("xyz") == []


def test_an_exact_symbol_comes_first() -> None:
    names = [("gene", "CD3EAP"), ("hallmark", "CD3E_SIGNALLING"), ("gene", "CD3E")]
    catalogue = Catalogue([Entry(Score(kind, name)) for kind, name in names], {"CD3EAP": ("CD3E",)})
    assert texts(catalogue.find("cd3e"))[0] == "CD3E"


@pytest.mark.parametrize("query", ["hallmark_epithelial mesen", "HALLMARK EPITHELIAL", "epithelial-mesenchymal tr"])
def test_spaces_hyphens_and_the_prefix_are_forgiven(catalogue, query: str) -> None:
    assert texts(catalogue.find(query)) == ["EPITHELIAL_MESENCHYMAL_TRANSITION"]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("HER2", "ERBB2 (HER2)"),
        ("her-2", "ERBB2 (HER-2)"),
        ("tacs", "EPCAM (TACSTD1)"),
        ("cd326", "EPCAM (CD326)"),
        ("hla dra", "HLA-DRA"),
    ],
)
def test_another_name_finds_the_gene_and_says_why(catalogue, query: str, text: str) -> None:
    assert texts(catalogue.find(query))[0] == text


def test_a_name_that_is_contained_needs_no_other_name(catalogue) -> None:
    (found,) = catalogue.find("tp5")
    assert found.text == "TP53"


def test_a_pasted_list_keeps_its_order_and_says_what_is_unknown(catalogue) -> None:
    named = catalogue.named("tp53, HER2;NOPE\nHALLMARK_HYPOXIA\r\nTP53")
    assert texts(named.found) == ["TP53", "ERBB2 (HER2)", "HYPOXIA"] and named.unknown == ("NOPE",)


def test_words_are_a_list_only_if_each_is_a_name(catalogue) -> None:
    assert texts(catalogue.named("TP53 CD3E  hypoxia").found) == ["TP53", "CD3E", "HYPOXIA"]
    assert catalogue.named("epithelial mesen") is None and catalogue.named("TP53,") is None


def test_what_is_doubtful_or_known_is_its_detail() -> None:
    doubted = Found(Entry(Score("gene", "A"), "low held-out skill (PCC 0.05)", skill="PCC 0.05"))
    known = Found(Entry(Score("gene", "B"), skill="PCC 0.43"))
    assert (doubted.detail, known.detail) == ("⚠ low held-out skill (PCC 0.05)", "PCC 0.43")


def test_real_names_of_the_published_panel_are_found() -> None:
    genes = panel("molf-1386")
    names = other_names(genes)
    catalogue = Catalogue([Entry(Score("gene", gene)) for gene in genes], names)
    assert texts(catalogue.find("HER2"))[0] == "ERBB2 (HER2)"
    assert "H3-3A" in names["H3F3A"]  # the panel has an earlier symbol
    assert texts(catalogue.find("h3-3a"))[0] == "H3F3A (H3-3A)"


def test_a_keystroke_among_all_genes_and_hallmarks_is_answered_in_ten_milliseconds() -> None:
    genes = panel("molf-1386")
    entries = [Entry(Score("gene", gene)) for gene in genes]
    entries += [Entry(Score("hallmark", name)) for name in hallmark_sets()]
    catalogue = Catalogue(entries, other_names(genes))
    for query in ("", "e", "er", "erb", "hallmark_e", "c"):
        spent = []
        for _ in range(5):
            start = time.perf_counter()
            catalogue.find(query)
            spent.append(time.perf_counter() - start)
        assert min(spent) < 0.01, query
