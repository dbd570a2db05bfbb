"""Held-out figures in words, as the bundle has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from molf_engine.bundle import Bundle
from napari_molf.core.scores import GeneFacts, Score
from napari_molf.core.skill import (
    WAVERS,
    Skills,
    coverage_of,
    gene_line,
    means_line,
    score_line,
    set_figures,
    set_line,
    skills_of_bundle,
    spread_sentence,
)

SKILLS = Skills(
    {
        "BEST": GeneFacts(True, 0.5),
        "SECOND": GeneFacts(True, 0.3),
        "WORST": GeneFacts(True, -0.2),
        "UNTESTED": GeneFacts(True, float("nan")),
        "NOTSEEN": GeneFacts(False, float("nan")),
    }
)


def row(role: str, coverage: float, values: int, *, genes: str = "panel", units: str = "log1p-cp10k") -> dict:
    return {"role": role, "genes": genes, "units": units, "nominal": 0.8, "coverage": coverage, "values": values}


@pytest.mark.parametrize(
    ("gene", "line"),
    [
        ("BEST", "BEST: held-out PCC 0.50, better than 100\u00a0% of 3 genes"),
        ("SECOND", "SECOND: held-out PCC 0.30, better than 50\u00a0% of 3 genes"),
        ("WORST", "WORST: held-out PCC -0.20, better than 0\u00a0% of 3 genes"),
        ("UNTESTED", "UNTESTED: held-out PCC not known."),
        ("NOTSEEN", "NOTSEEN was not measured in training: its map means nothing."),
    ],
)
def test_a_gene_has_its_figure_and_its_place_or_says_that_there_is_none(gene: str, line: str) -> None:
    assert gene_line(gene, SKILLS) == line


def test_a_hallmark_says_how_many_of_its_genes_the_model_knows() -> None:
    skills = Skills(
        {"VEGFA": GeneFacts(True, 0.4), "PGK1": GeneFacts(True, 0.2), "LDHA": GeneFacts(False, float("nan"))}
    )
    assert set_line("HYPOXIA", skills) == "HYPOXIA: 2 of its 200 genes in the panel, mean held-out PCC 0.30"
    assert set_line("HYPOXIA", SKILLS) == "HYPOXIA: 0 of its 200 genes in the panel, held-out PCC not known"


def test_a_score_that_the_model_does_not_have_has_no_line() -> None:
    assert score_line(Score("gene", "ELSEWHERE"), SKILLS) is None
    assert score_line(Score("hallmark", "NO_SUCH_SET"), SKILLS) is None


def test_means_name_only_the_rivals_that_the_bundle_knows() -> None:
    assert (
        means_line({"summary": {"molf": 0.31, "ridge": 0.3, "mlp": 0.29}}) == "mean of all 0.31 (ridge 0.30, MLP 0.29)"
    )
    assert means_line({"summary": {"molf": 0.31}}) == "mean of all 0.31"
    assert means_line({}) is None


def test_coverage_is_that_of_the_test_sections_weighted_by_their_values() -> None:
    rows = [row("validation", 0.9, 100), row("test", 0.1, 300), row("test", 0.5, 100)]
    others = [row("test", 0.7, 100, genes="HVG-50"), row("test", 0.7, 100, units="reconstruction")]
    assert coverage_of({"units": "log1p-cp10k", "coverage": rows + others}) == (0.8, pytest.approx(0.2))
    assert coverage_of({"units": "log1p-cp10k", "coverage": rows[:1]}) == (0.8, pytest.approx(0.9))


def test_the_spread_is_never_sold_as_confidence() -> None:
    said = spread_sentence({"units": "log1p-cp10k", "coverage": [row("test", 0.2, 10)]}).replace("\u00a0", " ")
    assert said.startswith(
        "Spread of the model's own draws. On held-out tissue 80 % of them held 20 % of the measurements"
    )
    unknown = spread_sentence({})
    assert "not tested" in unknown and "%" not in unknown
    assert said.endswith(f"{WAVERS}.") and unknown.endswith(f"{WAVERS}.")
    assert "confiden" not in said + unknown


def test_the_figures_are_those_of_the_shipped_bundle() -> None:
    bundle = Bundle.load("starter")
    skills = skills_of_bundle(bundle)
    assert skills.tested == int(bundle.genes["heldout_pcc"].notna().sum())
    best = str(bundle.genes["heldout_pcc"].idxmax())
    assert skills.better_than(best) == 100
    nominal, held = coverage_of(bundle.metrics) or (0.0, 0.0)
    assert nominal == 0.8 and f"held {100 * held:.1f} % of" in (bundle.path / "README.md").read_text(encoding="utf-8")


def test_sets_have_the_rivals_figure_only_where_the_bundle_kept_it(tmp_path: Path) -> None:
    bundle = Bundle.load("starter")
    with_ridge = {found.name: found for found in set_figures(skills_of_bundle(bundle), bundle.path)}
    assert with_ridge["HYPOXIA"].ridge is not None and with_ridge["HYPOXIA"].known > 20
    (tmp_path / "oracle.csv").write_text("not,the\nright,table\n", encoding="utf-8")
    for folder in (None, tmp_path, tmp_path / "nowhere"):
        assert all(found.ridge is None for found in set_figures(SKILLS, folder))
