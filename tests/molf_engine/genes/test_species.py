from __future__ import annotations

import numpy as np
import pytest

from molf_engine.errors import DataError
from molf_engine.genes import orthologs, species_of


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["KRT5", "ACTB", "LINC01128"], "human"),
        (["Krt5", "Actb", "Gm1992"], "mouse"),
        (["ENSG00000186081", "ENSG00000075624"], "human"),
        (["ENSMUSG00000061527"], "mouse"),
        (["foo", "bar"], "unknown"),
        (["hg38_KRT5", "hg38_ACTB"], "human"),
    ],
)
def test_one_species_is_told_by_its_names(names: list[str], kind: str) -> None:
    assert species_of(names).kind == kind


@pytest.mark.parametrize(("human", "mouse"), [("GRCh38_", "mm10___"), ("hg38_", "mm10_"), ("GRCh38______", "GRCm39_")])
def test_prefixes_tell_the_genes_of_a_xenograft_and_are_stripped(human: str, mouse: str) -> None:
    found = species_of([f"{human}KRT5", f"{mouse}Krt5", f"{human}AC010883.3", f"{mouse}Gm1992"])
    assert found.kind == "mixed"
    assert found.symbols == ("KRT5", "Krt5", "AC010883.3", "Gm1992")
    assert found.human.tolist() == [True, False, True, False]
    assert found.mouse.tolist() == [False, True, False, True]


def test_without_prefixes_the_way_of_writing_tells_them() -> None:
    found = species_of(["KRT5", "Krt5", "C1orf112", "1700001C19Rik", "mt-Co1", "MT-CO1", "H2-K1"])
    assert found.kind == "mixed"
    assert found.human.tolist() == [True, False, True, False, False, True, False]
    assert (found.human ^ found.mouse).all()


def test_ensembl_ids_decide_before_symbols() -> None:
    found = species_of(["A", "B"], ids=["ENSG00000000001", "ENSMUSG00000000001"])
    assert (found.kind, found.human.tolist(), found.mouse.tolist()) == ("mixed", [True, False], [False, True])


def test_ids_with_a_prefix_decide_too() -> None:
    found = species_of(["A", "B"], ids=["GRCh38_ENSG00000000001", "mm10___ENSMUSG00000000001"])
    assert (found.human.tolist(), found.mouse.tolist()) == ([True, False], [False, True])


def test_a_stray_mouse_gene_makes_no_xenograft() -> None:
    humans = list(orthologs("mouse"))[:50]
    assert species_of([*humans, "Krt5"]).kind == "human"
    assert species_of([*humans, *list(orthologs("mouse").values())[:50]]).kind == "mixed"


def test_shares_are_those_of_the_counts() -> None:
    found = species_of(["KRT5", "Krt5"], np.array([30.0, 10.0]))
    assert (found.human_share, found.mouse_share) == (0.75, 0.25)
    assert "75.0%" in found.text
    assert np.isnan(species_of(["KRT5", "Krt5"]).human_share)
    assert np.isnan(species_of(["KRT5", "Krt5"], np.zeros(2)).human_share)


def test_counts_and_names_must_fit() -> None:
    with pytest.raises(DataError, match="3 counts for 2 genes"):
        species_of(["KRT5", "Krt5"], np.zeros(3))
