from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from molf_engine.data import Section, read_hest
from molf_engine.data.panels import hallmark_hvg_panel, panel_of
from molf_engine.errors import ConfigError, DataError
from molf_engine.genes import hallmark_sets, panel

HALLMARK = ("CCN1", "ERBB2", "ACTB")
"""Three Hallmark genes; CCN1 was CYR61."""


def write(
    folder: Path, name: str, counts: dict[str, list[int]], code: str = "IDC", total: int | list[int] = 1000
) -> Section:
    """Write a section whose spots are filled up to their total by a gene that is in no Hallmark set."""
    table = pd.DataFrame(counts)
    table["FILLER"] = total - table.sum(axis=1)
    adata = anndata.AnnData(
        X=table.to_numpy(dtype=np.float64),
        obs=pd.DataFrame(index=[f"spot{i}" for i in range(len(table))]),
        var=pd.DataFrame(index=list(table.columns)),
        obsm={"spatial": np.zeros((len(table), 2))},
    )
    path = folder / f"{name}.h5ad"
    adata.write_h5ad(path)
    return Section(name, folder / f"{name}.tif", path, code=code)


def test_hallmark_genes_need_nine_tenths_of_the_sections(tmp_path: Path) -> None:
    assert set(HALLMARK) <= set().union(*hallmark_sets().values())
    flat = [5, 5, 5, 5]
    sections = [write(tmp_path, f"S{i}", {"ERBB2": flat, "ACTB": flat}) for i in range(9)]
    sections.append(write(tmp_path, "S9", {"ERBB2": flat}))
    assert hallmark_hvg_panel(sections, per_code=0) == ("ACTB", "ERBB2")
    assert hallmark_hvg_panel([*sections[:8], sections[9]], per_code=0) == ("ERBB2",)


def test_each_code_adds_the_genes_that_vary_most_within_its_sections(tmp_path: Path) -> None:
    sections = [
        write(tmp_path, "A", {"WILD": [1, 90, 1, 90], "MILD": [4, 6, 4, 6], "SHIFTED": [1, 1, 1, 1]}),
        write(tmp_path, "B", {"WILD": [90, 1, 90, 1], "MILD": [4, 6, 6, 4], "SHIFTED": [90, 90, 90, 90]}),
        write(tmp_path, "C", {"WILD": [5, 5, 5, 5], "OTHER": [1, 50, 1, 50]}, code="COAD"),
    ]
    # SHIFTED differs between sections, as batches do, and not within one.
    assert hallmark_hvg_panel(sections, per_code=1) == ("OTHER", "WILD")


def test_the_variance_of_a_gene_is_the_mean_over_the_sections_of_a_code(tmp_path: Path) -> None:
    sections = [
        write(tmp_path, "A", {"ONCE": [1, 400, 1, 400], "ALWAYS": [10, 40, 10, 40]}),
        write(tmp_path, "B", {"ONCE": [9, 9, 9, 9], "ALWAYS": [10, 40, 10, 40]}),
    ]
    assert hallmark_hvg_panel(sections, per_code=1) == hallmark_hvg_panel(sections[::-1], per_code=1) == ("ONCE",)
    sections += [write(tmp_path, f"C{i}", {"ONCE": [9, 9, 9, 9], "ALWAYS": [10, 40, 10, 40]}) for i in range(20)]
    assert hallmark_hvg_panel(sections, per_code=1) == ("ALWAYS",)


def test_the_variance_is_that_of_composition_unless_asked_otherwise(tmp_path: Path) -> None:
    counts = {"ABUNDANT": [50, 50, 500, 500], "MARKER": [20, 10, 20, 10]}
    section = write(tmp_path, "A", counts, total=[100, 100, 1000, 1000])
    assert hallmark_hvg_panel([section], per_code=2) == ("FILLER", "MARKER")
    # In log1p of raw counts the abundant genes vary, as the totals of their spots do.
    assert hallmark_hvg_panel([section], per_code=2, units="log1p") == ("ABUNDANT", "FILLER")


def test_rare_genes_and_controls_are_no_variable_genes(tmp_path: Path) -> None:
    rare = {"RARE": [50] + [0] * 19, "NegControlProbe_00042": [0, 50] * 10, "COMMON": [10, 12] * 10}
    chosen = hallmark_hvg_panel([write(tmp_path, "A", rare)], per_code=3)
    assert "RARE" not in chosen
    assert "NegControlProbe_00042" not in chosen
    assert "COMMON" in chosen


def test_earlier_names_are_read_as_todays(tmp_path: Path) -> None:
    sections = [write(tmp_path, "A", {"CYR61": [5, 5, 5, 5]}), write(tmp_path, "B", {"CCN1": [5, 5, 5, 5]})]
    assert hallmark_hvg_panel(sections, per_code=0) == ("CCN1",)


def test_spots_with_few_counts_do_not_count(tmp_path: Path) -> None:
    section = write(tmp_path, "A", {"WILD": [1, 90, 1, 90]})
    with pytest.raises(DataError, match="none of its 4 spots has 5000 counts"):
        hallmark_hvg_panel([section], min_counts=5000)


def test_an_empty_panel_and_no_sections_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty"):
        hallmark_hvg_panel([write(tmp_path, "A", {"X": [5, 5, 5, 5]})], per_code=0)
    with pytest.raises(DataError, match="there are none"):
        hallmark_hvg_panel([])


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"share": 1.5}, "share is 1.5"), ({"per_code": -1}, "per_code is -1"), ({"units": "cpm"}, "Unknown units")],
)
def test_settings_out_of_range_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        hallmark_hvg_panel([], **settings)


def test_a_panel_by_name_is_chosen_on_sections_only_if_it_must(tmp_path: Path) -> None:
    assert panel_of("molf-1386", []) == panel("molf-1386")
    assert panel_of("hallmark+hvg", [write(tmp_path, "A", {"ERBB2": [5, 5, 5, 5]})]) == ("ERBB2",)
    with pytest.raises(DataError, match="there are none"):
        panel_of("hallmark+hvg", [])


def test_the_real_sections_give_a_panel_that_the_released_one_resembles(shared_data: Path) -> None:
    sections = read_hest(shared_data, ["HER2ST_C2", "HER2ST_C3"])
    chosen = hallmark_hvg_panel(sections)
    assert list(chosen) == sorted(set(chosen))
    released = set(panel("molf-1386"))
    assert len(released & set(chosen)) > 0.8 * len(released)
    assert {"ERBB2", "CD74", "SCGB2A2"} <= set(chosen)
