"""A simulated pan-cancer folder: its plan, its files, and going on after an interruption."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from molf_engine.data import load_expression, read_hest, read_split
from molf_engine.data.simulator import (
    ARCHITECTURES,
    DEMO_KINDS,
    TISSUES,
    PanCancer,
    SimulatedTissue,
    plan_cohort,
    programmes,
    split_cohort,
    write_pan_cancer,
)
from molf_engine.data.simulator.cohort import ORGANS, ROLES, TARGETED_GENES, targeted_genes
from molf_engine.data.simulator.corpus import section_tissue
from molf_engine.data.simulator.hest_tables import COLUMNS
from molf_engine.data.simulator.identities import IDENTITIES
from molf_engine.errors import Cancelled, ConfigError, DataError
from molf_engine.genes import hallmark_sets, panel
from molf_engine.progress import Progress

SMALL = PanCancer(sections=6, size_um=500.0, seed=4, kinds=("SIM_A", "SIM_E"))
NEW_KINDS = tuple(kind for kind in ARCHITECTURES if kind not in DEMO_KINDS)


@pytest.mark.parametrize("sections", [30, 47, 200])
def test_a_cohort_has_as_many_sections_as_asked_for_and_patients_of_one_to_three(sections: int) -> None:
    cohort = plan_cohort(sections, seed=1)
    assert len({section.id for section in cohort}) == len(cohort) == sections
    of_kind = Counter(section.kind for section in cohort)
    assert set(of_kind) == set(ARCHITECTURES)
    assert max(of_kind.values()) - min(of_kind.values()) <= 1
    for _, group in groupby(cohort, lambda section: section.patient):
        own = list(group)
        assert [section.number for section in own] == list(range(1, len(own) + 1))
        assert len(own) <= 3
        assert len({section.kind for section in own}) == 1
    assert 0.2 < np.mean([section.targeted for section in cohort]) < 0.4


def test_the_patients_of_a_large_cohort_have_one_two_and_three_sections() -> None:
    sizes = Counter(Counter(section.patient for section in plan_cohort(200)).values())
    assert set(sizes) == {1, 2, 3}


@pytest.mark.parametrize("sections", [30, 47, 200])
def test_splits_hold_every_section_once_every_code_in_every_role_and_no_patient_in_two(sections: int) -> None:
    cohort = plan_cohort(sections, seed=2)
    tested = []
    for number in (0, 1):
        roles = split_cohort(cohort, number, seed=2)
        assert sorted(section.id for role in ROLES for section in roles[role]) == sorted(s.id for s in cohort)
        patients = {role: {section.patient for section in roles[role]} for role in ROLES}
        assert sum(map(len, patients.values())) == len(set().union(*patients.values()))
        assert all({section.kind for section in roles[role]} == set(ARCHITECTURES) for role in ROLES)
        tested.append(patients["test"])
    assert not tested[0] & tested[1]


def test_sections_share_a_scanner_if_and_only_if_they_are_of_one_patient() -> None:
    settings = PanCancer()
    patient_of = {}
    for section in plan_cohort(settings.sections, settings.seed):
        assert patient_of.setdefault(settings.tissue(section).scanner, section.patient) == section.patient
    assert len(patient_of) == len({section.patient for section in plan_cohort(settings.sections, settings.seed)})


def test_no_section_is_one_of_the_demo_corpus() -> None:
    settings = PanCancer()
    drawn = {settings.tissue(section).seed for section in plan_cohort(settings.sections, settings.seed)}
    assert len(drawn) == settings.sections
    assert not drawn & {
        section_tissue(kind, number, settings.seed).seed for kind in DEMO_KINDS for number in range(1, 5)
    }


def test_the_codes_are_built_as_they_are_described() -> None:
    at = np.stack(np.meshgrid(np.arange(300.0, 1300, 180), np.arange(300.0, 1300, 180)), axis=-1).reshape(-1, 2)
    share = {
        kind: dict(
            zip(
                TISSUES,
                np.mean(
                    [SimulatedTissue(seed, (1500.0, 1500.0), 1.0, kind).composition(at) for seed in range(6)], (0, 1)
                ),
                strict=True,
            )
        )
        for kind in NEW_KINDS
    }

    def most(tissue: str) -> str:
        return max(NEW_KINDS, key=lambda kind: share[kind][tissue])

    assert most("necrosis") == "SIM_D"
    assert most("lymphoid") == "SIM_E"
    assert most("adipose") == "SIM_F"
    assert most("tumour") == "SIM_I"
    assert most("epithelium") == "SIM_J"
    assert min(NEW_KINDS, key=lambda kind: share[kind]["tumour"]) in {"SIM_F", "SIM_H"}


def test_too_few_sections_are_refused_with_the_number_that_would_do() -> None:
    with pytest.raises(ConfigError, match="Ask for 30 sections or more"):
        plan_cohort(29)


@pytest.mark.parametrize("changes", [{"size_um": 100.0}, {"size_um": float("nan")}, {"um_per_pixel": 0.0}])
def test_sizes_without_room_for_tissue_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        PanCancer(**changes)  # type: ignore[arg-type]


def test_targeted_panels_have_their_size_every_marker_and_genes_of_the_organ() -> None:
    known = set(panel("molf-1386"))
    panels = {organ: set(targeted_genes(organ)) for organ in set(ORGANS.values())}
    assert all(len(genes) == TARGETED_GENES and genes <= known for genes in panels.values())
    assert len(set.intersection(*panels.values())) < TARGETED_GENES
    for tissues in IDENTITIES.values():
        for own in (own for ends in tissues.values() for own in ends):
            assert set(own.markers.split()) & known <= set.intersection(*panels.values())


def test_what_a_code_has_of_its_own_is_in_the_panel_and_the_hallmarks() -> None:
    genes, sets = set(panel("molf-1386")), hallmark_sets()
    assert set(IDENTITIES) == set(ORGANS) == set(ARCHITECTURES)
    for tissues in IDENTITIES.values():
        for own in (own for ends in tissues.values() for own in ends):
            assert set(own.markers.split()) <= genes
            assert set(own.sets) <= set(sets)


@pytest.mark.parametrize("kind", NEW_KINDS)
def test_the_core_of_a_new_code_differs_from_its_rim_in_genes_of_its_own(kind: str) -> None:
    rim, core = (set(own.markers.split()) for own in IDENTITIES[kind]["tumour"])
    known, other = programmes(kind), programmes("SIM_A")
    for end, markers in enumerate((rim, core)):
        place = known.columns(sorted(markers))
        assert (np.log(known.profile[0, end, place] / other.profile[0, end, place]) > 0.5).mean() > 0.7
    only_rim, only_core = known.columns(sorted(rim - core)), known.columns(sorted(core - rim))
    change = np.log(known.profile[0, 1] / known.profile[0, 0])
    assert change[only_core].mean() - change[only_rim].mean() > 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pan") / "cohort"
    write_pan_cancer(made, SMALL, patches=True, broken=True)
    return made


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "HEST_simulated.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_folder_reads_as_the_sections_that_were_planned(folder: Path) -> None:
    planned = {section.id: section for section in plan_cohort(SMALL.sections, SMALL.seed, SMALL.kinds)}
    sections = read_hest(folder, planned)
    assert {section.code for section in sections} == set(SMALL.kinds)
    assert {section.organ for section in sections} == {ORGANS[kind] for kind in SMALL.kinds}
    for section in sections:
        assert (section.patient, section.technology) == (planned[section.id].patient, planned[section.id].technology)
        assert section.um_per_pixel == 1.0


def test_a_targeted_section_measures_its_panel_and_totals_over_it(folder: Path) -> None:
    planned = plan_cohort(SMALL.sections, SMALL.seed, SMALL.kinds)
    for targeted in (False, True):
        section = next(section for section in planned if section.targeted == targeted)
        expression = load_expression(read_hest(folder, [section.id])[0], panel("molf-1386"))
        assert expression.measured.sum() == (TARGETED_GENES if targeted else 1386)
        assert np.allclose(np.expm1(expression.counts_log1p).sum(axis=1), expression.total, rtol=1e-4)
        assert expression.truth is not None
        assert np.allclose(np.expm1(expression.truth).sum(axis=1), 1e4, rtol=1e-3)


def test_the_table_has_the_columns_of_hest_and_a_row_for_every_section(folder: Path) -> None:
    rows = rows_of(folder)
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == SMALL.sections + 5
    for row in rows[: SMALL.sections]:
        facts = json.loads((folder / "metadata" / f"{row['id']}.json").read_text(encoding="utf-8"))
        assert all(row[name] == str(facts.get(name, "")) for name in COLUMNS)
        assert int(row["spots_under_tissue"]) > 0


def test_split_files_name_the_sections_and_codes_of_each_role(folder: Path) -> None:
    code = {row["id"]: row["oncotree_code"] for row in rows_of(folder)}
    named = []
    for role in ROLES:
        path = folder / "splits" / "split_0" / f"{role}_split.csv"
        named += read_split(path, role)
        with path.open(encoding="utf-8", newline="") as file:
            assert all(code[row["sample_id"]] == row["oncotree_code"] for row in csv.DictReader(file))
    assert sorted(named) == [name for name in sorted(code) if not name.startswith("BROKEN")]
    assert read_split(folder / "splits.json", "test") == read_split(path, "test")


def test_patches_are_the_spots_on_the_slide(folder: Path) -> None:
    import anndata
    import h5py

    from molf_engine.slides import open_slide

    name = "SIM_E_001"
    adata = anndata.read_h5ad(folder / "st" / f"{name}.h5ad")
    with h5py.File(folder / "patches" / f"{name}.h5") as file:
        images, corners, barcodes = file["img"][()], file["coords"][()], file["barcode"][()]
        side = int(file["coords"].attrs["patch_size_src"])
    assert images.shape == (adata.n_obs, 224, 224, 3)
    assert [barcode.decode() for barcode in barcodes[:, 0]] == list(adata.obs_names)
    assert np.allclose(corners + side / 2, adata.obsm["spatial"], atol=1.0)
    with open_slide(folder / "wsis" / f"{name}.tif") as slide:
        cut = slide.read_region(*corners[3].tolist(), side, side)
    assert abs(images[3].mean(axis=(0, 1)) - cut.mean(axis=(0, 1))).max() < 3


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("BROKEN_counts", "Cannot read the counts"), ("BROKEN_nan", "NaN"), ("BROKEN_log", "log-transformed")],
)
def test_a_broken_section_is_refused_for_its_reason(folder: Path, name: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        load_expression(read_hest(folder, [name])[0], panel("molf-1386"))


def test_broken_places_are_off_the_slide(folder: Path) -> None:
    section = read_hest(folder, ["BROKEN_places"])[0]
    assert (load_expression(section, panel("molf-1386")).positions > section.metadata["fullres_px_width"]).all()


def test_a_second_call_makes_nothing_again_but_what_is_missing(folder: Path) -> None:
    def stamps() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for part in ("wsis", "st") for path in (folder / part).glob("SIM_*")}

    gone = folder / "wsis" / "SIM_E_002.tif"
    before, content = stamps(), gone.read_bytes()
    gone.unlink()
    reports: list[Progress] = []
    write_pan_cancer(folder, SMALL, broken=True, progress=reports.append)
    after = stamps()
    assert [path for path in before if after[path] != before[path]] == [gone]
    assert gone.read_bytes() == content
    assert reports[-1] == Progress("Simulating sections", 6, 6, "sections")


def test_a_stopped_run_goes_on_to_the_same_folder(folder: Path, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == 2:
            raise Cancelled

    begun = tmp_path / "begun"
    with pytest.raises(Cancelled):
        write_pan_cancer(begun, SMALL, progress=stop)
    assert {path.stem for path in (begun / "metadata").iterdir()} == {"SIM_A_001", "SIM_A_002"}
    left = begun / "wsis" / ".SIM_A_003-0123abcd.tif"
    left.write_bytes(b"half a slide")
    write_pan_cancer(begun, SMALL)
    assert not left.exists()
    for part in ("wsis", "metadata"):
        for path in (begun / part).iterdir():
            assert path.read_bytes() == (folder / part / path.name).read_bytes()


def test_other_settings_or_another_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="other settings"):
        write_pan_cancer(folder, PanCancer(sections=7, size_um=500.0, seed=4, kinds=SMALL.kinds))
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match=r"thesis\.txt"):
        write_pan_cancer(tmp_path, SMALL)


def test_a_killed_command_goes_on_where_it_was(tmp_path: Path) -> None:
    output = tmp_path / "cohort"
    command = [sys.executable, "-m", "molf_engine", "simulate", "-o", str(output), "--pan-cancer"]
    command += ["--sections", "30", "--size-um", "448"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not list(output.glob("metadata/[!.]*.json")):
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(f"ended by itself: {process.wait(timeout=0.05)}")
        process.kill()
    drawn = {path: path.stat().st_mtime_ns for path in output.glob("metadata/[!.]*.json")}
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "30 sections" in done.stdout
    assert len(drawn) < 30
    assert all(path.stat().st_mtime_ns == then for path, then in drawn.items())
    assert {section.code for section in read_hest(output)} == set(ARCHITECTURES)


def test_sizes_without_pan_cancer_are_refused(tmp_path: Path) -> None:
    from molf_engine.cli.simulate import simulate

    with pytest.raises(ConfigError, match="--size-um is for --pan-cancer"):
        simulate(output=tmp_path / "x", size_um=900.0)
