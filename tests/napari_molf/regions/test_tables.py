"""What is said of regions: rows, groups, summaries, comparisons, text and pictures; no window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from molf_engine.errors import Cancelled, MolfError
from molf_engine.progress import Progress, silent
from napari_molf.core.scores import Score
from napari_molf.regions.comparing import Compared, compare_groups
from napari_molf.regions.plots import Look, distributions, volcano
from napari_molf.regions.rows import REST, Group, Rows, groups_of, pair
from napari_molf.regions.summaries import related, summarise, summary_frame
from napari_molf.regions.text import Table, as_csv, as_tsv, short, write_csv
from tests.napari_molf.fakes import GENES
from tests.napari_molf.regions.made import COLS, ROWS, a_run, csv_rows, region

NEST = region("nest", 2, 5, 1, 4, classification="Tumor")
SECOND = region("second", 8, 10, 1, 4, classification="Tumor")
STROMA = region("stroma", 2, 10, 8, 12)
BARE = region("bare", 0, 1, 0, 1)


def rows_of(run, *regions) -> Rows:
    from molf_engine.regions import membership

    inside = membership(regions, np.asarray(run.scores.adata.obsm["spatial"]))
    return Rows(tuple(regions), tuple(r.area * (0.5 / 1000) ** 2 for r in regions), run.id, inside)


@pytest.fixture(scope="module")
def run():
    return a_run()


@pytest.fixture(scope="module")
def compared(run) -> Compared:
    groups = groups_of(rows_of(run, NEST, STROMA))
    return compare_groups(run, groups[0], groups[1], 2.0, True, silent)


def test_a_region_counts_the_patches_whose_centre_is_inside(run) -> None:
    rows = rows_of(run, NEST, STROMA, BARE)
    assert rows.patches == [9, 32, 0]
    assert rows.empty == ["bare"]


def test_without_a_prediction_nothing_is_called_empty() -> None:
    rows = Rows((NEST,), (1.0,), None, np.zeros((1, 0), bool))
    assert rows.empty == []


def test_classes_of_several_regions_can_be_compared_as_one(run) -> None:
    groups = groups_of(rows_of(run, NEST, SECOND, STROMA))
    assert [group.label for group in groups] == ["nest", "second", "stroma", "class Tumor (2 regions)"]
    assert groups[3].inside.sum() == 9 + 6


def test_the_rest_is_what_the_other_group_leaves(run) -> None:
    (nest,) = groups_of(rows_of(run, NEST))
    a, b = pair(nest, Group(REST, None))
    assert a.sum() == 9 and b.sum() == ROWS * COLS - 1 - 9
    assert pair(Group(REST, None), nest)[1].tolist() == a.tolist()


def test_the_table_of_regions_has_the_score_its_kin_and_the_experts(run) -> None:
    made = summarise(run, rows_of(run, NEST, BARE), Score("gene", "EPCAM"), 2.0, True)
    table = made.brief()
    values = run.scores.values(Score("gene", "EPCAM"), 2.0, relative=True)
    inside = rows_of(run, NEST).inside[0]
    first, bare, rest = table.rows
    assert first[:3] == ("nest", "Tumor", 9)
    assert first[3] == pytest.approx(9 * 400 / 1e6)
    assert first[4:8] == pytest.approx((values[inside].mean(), *np.percentile(values[inside], (50, 25, 75))))
    assert bare[2] == 0 and np.isnan(bare[4])
    assert rest[0] == REST and rest[2] == ROWS * COLS - 1 - 9
    assert sum(float(cell) for cell in first[-3:]) == pytest.approx(1)
    assert table.headers[-3:] == ("share of E1", "share of E2", "share of E3")
    assert len(made.full().headers) > len(table.headers) or len(made.scores) == 1


def test_the_table_of_a_report_has_a_row_for_each_region(run) -> None:
    frame = summary_frame(run, rows_of(run, NEST), Score("gene", "EPCAM"), 2.0, True)
    assert list(frame.index) == ["nest", REST] and frame.loc["nest", "patches"] == 9 and "mean" in frame


def test_kin_of_a_hallmark_are_its_best_predicted_genes_and_of_a_gene_its_hallmarks(run) -> None:
    kin = related(run, Score("hallmark", "EPITHELIAL_MESENCHYMAL_TRANSITION"))
    assert kin == (Score("gene", "COL1A1"),)
    assert Score("hallmark", "EPITHELIAL_MESENCHYMAL_TRANSITION") in related(run, Score("gene", "COL1A1"))


def test_a_comparison_ranks_every_score_and_says_what_to_doubt(compared: Compared, run) -> None:
    # Patches are numbered row by row and the values rise with the number: everything is higher further down.
    assert (compared.genes.effect == -1).all()
    assert compared.genes.names == GENES
    table = compared.table("gene")
    doubts = {row[0]: row[-1] for row in table.rows}
    assert "not measured" in doubts["NOTSEEN"] and "low held-out skill" in doubts["WEAK"] and doubts["EPCAM"] == ""
    assert any("nest, 9 patches" in line for line in table.provenance)
    assert any("predicted, not measured" in line for line in table.provenance)
    assert len(compared.table("hallmark").rows) == 50


def test_too_small_a_group_is_refused_before_the_genes_are_decoded(run) -> None:
    small = groups_of(rows_of(run, region("small", 2, 4, 2, 4)))[0]
    run.scores._guided.asked.clear()
    with pytest.raises(MolfError, match="has 4 predicted patches"):
        compare_groups(run, small, Group(REST, None), 1.0, True, silent)
    assert "EPCAM" not in {name for name, _, _ in run.scores._guided.asked}


def test_a_comparison_stops_when_it_is_told_to(run) -> None:
    nest = groups_of(rows_of(run, NEST))[0]

    def stop(progress: Progress) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        compare_groups(run, nest, Group(REST, None), 1.0, True, stop)


def test_free_positions_are_compared_as_well() -> None:
    free = a_run(free=True)
    nest = groups_of(rows_of(free, NEST))[0]
    result = compare_groups(free, nest, Group(REST, None), 1.0, True, silent)
    assert result.genes.patches_a == 9
    assert np.isfinite(result.genes.spatial_q).all()


def test_all_patches_in_the_region_leave_nothing_to_compare(run) -> None:
    everything = groups_of(rows_of(run, region("all", -1, COLS + 1, -1, ROWS + 1)))[0]
    with pytest.raises(MolfError, match="Group B has 0"):
        compare_groups(run, everything, Group(REST, None), 1.0, True, silent)


LOOK = Look(420, 300, 1.0, "#262930", "#f0f1f2")


@pytest.mark.parametrize("kind", ["gene", "hallmark"])
@pytest.mark.parametrize("ground", ["#262930", "#efebe9"])
def test_the_volcano_has_a_point_for_every_score_where_it_is_drawn(compared: Compared, kind: str, ground: str) -> None:
    picture = volcano(compared, kind, replace(LOOK, ground=ground), plain=True)
    assert picture.pixels.shape == (300, 420, 4)
    assert set(picture.names) <= set(compared.of(kind).names)
    assert len(picture.points) == len(picture.names) == len(picture.notes) > 0
    assert ((picture.points > 0) & (picture.points < (420, 300))).all()
    # Something other than the ground is under each point.
    colour = tuple(int(ground[i : i + 2], 16) for i in (1, 3, 5))
    for x, y in picture.points:
        near = picture.pixels[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5, :3]
        assert (near != colour).any()


def test_the_plot_of_effects_says_which_q_it_shows(compared: Compared) -> None:
    spatial = volcano(compared, "hallmark", LOOK)
    plain = volcano(compared, "hallmark", LOOK, plain=True)
    assert (spatial.pixels != plain.pixels).any()
    assert all("predicted difference" in note for note in plain.notes)


def test_distributions_are_drawn_at_the_screens_resolution(run) -> None:
    values = np.arange(40.0)
    picture = distributions(values[:20], values[20:], "EPCAM", ("a", "b" * 80), replace(LOOK, ratio=2.0))
    assert picture.pixels.shape == (600, 840, 4)
    empty = distributions(values[:0], values, "EPCAM", ("a", "b"), LOOK)
    assert (empty.pixels != picture.pixels[:300, :420]).any()


def test_text_has_its_provenance_first_and_nothing_for_what_is_not_known(tmp_path) -> None:
    table = Table(("region", "mean"), (("a, b", 1.5), ("c", float("nan"))), ("slide: x",))
    assert as_tsv(table) == "# slide: x\nregion\tmean\na, b\t1.5\nc\t\n"
    assert csv_rows(write_csv(table, tmp_path / "t.csv")) == ["region,mean", '"a, b",1.5', "c,"]
    assert as_csv(table).startswith("# slide: x\n")


def test_a_table_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(MolfError, match="Cannot write"):
        write_csv(Table(("a",), ()), tmp_path / "file" / "t.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (1.23456, "1.23"), (0.00012, "1.2e-04"), (float("nan"), "–")])
def test_numbers_are_short(value: float, text: str) -> None:
    assert short(value) == text
