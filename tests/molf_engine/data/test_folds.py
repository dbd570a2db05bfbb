from __future__ import annotations

from pathlib import Path

import pytest

from molf_engine.data import Section, read_hest
from molf_engine.data.splits import leave_one_patient_out, patient_folds
from molf_engine.errors import ConfigError, DataError


def section(name: str, patient: str = "Unknown", code: str = "IDC", **metadata) -> Section:
    return Section(name, Path(f"{name}.tif"), Path(f"{name}.h5ad"), patient=patient, code=code, metadata=metadata)


def test_every_known_patient_is_tested_once_and_never_learned_from() -> None:
    folds = leave_one_patient_out([section("A1", "A"), section("B1", "B"), section("A2", "A"), section("C1", "C")])
    assert [fold.name for fold in folds] == ["A", "B", "C"]
    assert [fold.test for fold in folds] == [("A1", "A2"), ("B1",), ("C1",)]
    assert folds[0].train == ("B1", "C1")
    assert folds[1].train == ("A1", "A2", "C1")


def test_patient_1_of_two_studies_is_two_patients() -> None:
    sections = [section("X", "Patient 1", dataset_title="One"), section("Y", "Patient 1", dataset_title="Other")]
    folds = leave_one_patient_out(sections)
    assert [fold.test for fold in folds] == [("X",), ("Y",)]
    assert len({fold.name for fold in folds}) == 2


def test_unknown_patients_are_never_tested_and_stay_out_where_they_could_be_the_tested_one() -> None:
    sections = [
        section("A", "1", dataset_title="One"),
        section("B", "2", dataset_title="Other"),
        section("U", dataset_title="One"),
        section("V"),
    ]
    of_one, of_other = leave_one_patient_out(sections)
    # U is of the study of A; V says no study at all.
    assert (of_one.test, of_one.train) == (("A",), ("B",))
    assert (of_other.test, of_other.train) == (("B",), ("A", "U"))


def test_sections_that_metadata_tie_are_tested_together() -> None:
    image = {
        "fullres_px_width": 75250,
        "fullres_px_height": 48740,
        "spots_under_tissue": 2281,
        "pixel_size_um_estimated": 0.27,
    }
    sections = [
        section("A", "1", dataset_title="One", **image),
        section("DUPLICATE", dataset_title="Other", **image | {"spots_under_tissue": 2279}),
        section("B", "2", dataset_title="One"),
    ]
    first, second = leave_one_patient_out(sections)
    assert (first.test, first.train) == (("A", "DUPLICATE"), ("B",))
    assert (second.test, second.train) == (("B",), ("A", "DUPLICATE"))


def test_one_known_patient_makes_no_folds() -> None:
    with pytest.raises(DataError, match="1 known patients among 2 sections"):
        leave_one_patient_out([section("A", "A"), section("U")])


def test_a_section_twice_is_refused() -> None:
    with pytest.raises(DataError, match="A is there twice"):
        leave_one_patient_out([section("A", "1"), section("A", "2")])


def corpus() -> list[Section]:
    """Six patients of two codes, with one or two sections each."""
    return [
        section(f"{patient}{number}", patient, "IDC" if patient in "ABC" else "COAD")
        for patient in "ABCDEF"
        for number in range(1 + (patient in "AD"))
    ]


def test_patient_folds_part_patients_and_balance_codes() -> None:
    sections = corpus()
    folds = patient_folds(sections, 2)
    tested = [name for fold in folds for name in fold.test]
    assert sorted(tested) == sorted(s.id for s in sections)
    for fold in folds:
        assert set(fold.train) == set(tested) - set(fold.test)
        assert not {name[0] for name in fold.train} & {name[0] for name in fold.test}
        assert 1 <= sum(name[0] in "ABC" for name in fold.test) <= 3
        assert len(fold.test) == 4


def test_a_seed_gives_the_same_folds_again() -> None:
    assert patient_folds(corpus(), 3, seed=1) == patient_folds(corpus(), 3, seed=1)
    assert len({patient_folds(corpus(), 3, seed=seed) for seed in range(8)}) > 1


@pytest.mark.parametrize("k", [1, 7])
def test_folds_are_two_or_more_and_no_more_than_patients(k: int) -> None:
    with pytest.raises(ConfigError, match="choose from 2 to 6"):
        patient_folds(corpus(), k)


def test_the_real_sections_are_of_two_patients(shared_data: Path) -> None:
    sections = [s for s in read_hest(shared_data) if s.id.startswith("HER2ST")]
    folds = {fold.name: fold for fold in leave_one_patient_out(sections)}
    assert {name[-2] for fold in folds.values() for name in fold.test} == {"A", "C"}
    for fold in folds.values():
        assert len({name[-2] for name in fold.test}) == 1
        assert not {name[-2] for name in fold.test} & {name[-2] for name in fold.train}
