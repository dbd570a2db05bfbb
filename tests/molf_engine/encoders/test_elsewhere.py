"""Features that another tool computed: the layouts that are read, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from molf_engine.encoders import read_features
from molf_engine.errors import DataError
from molf_engine.slides import Patches, Slide, patches_at

POSITIONS = np.array([[100.0, 120.0], [132.0, 120.0], [164.0, 152.0]])
NAMES = ("AAAC", "CCGT", "TTTA")
SHUFFLED = [2, 0, 1, 3]
VECTORS = np.arange(16, dtype=np.float32).reshape(4, 4)
"""Of the three patches and one that nobody asks for, in the order of the positions."""


@pytest.fixture
def spots(slide: Slide) -> Patches:
    return patches_at(slide, POSITIONS, 64.0, names=NAMES)


def write_h5(path: Path, key: str = "features", side: float | None = 32.0, names: bool = False, **more: object) -> Path:
    centres = np.concatenate([POSITIONS, [[400.0, 400.0]]])[SHUFFLED]
    with h5py.File(path, "w") as file:
        file[key] = VECTORS[SHUFFLED]
        file["coords"] = (centres - 16).astype(np.int64)
        if side is not None:
            file["coords"].attrs["patch_size_level0"] = side
        if names:
            file["barcodes"] = [(*NAMES, "GGGG")[index].encode() for index in SHUFFLED]
        for name, value in more.items():
            del file[name]
            file[name] = value
    return path


@pytest.mark.parametrize("key", ["features", "embeddings"])
def test_h5_is_matched_by_the_corners_of_its_patches(tmp_path: Path, spots: Patches, key: str) -> None:
    np.testing.assert_array_equal(read_features(write_h5(tmp_path / "a.h5", key), spots), VECTORS[:3])


def test_h5_is_matched_by_barcode_where_it_has_them(tmp_path: Path, spots: Patches) -> None:
    path = write_h5(tmp_path / "a.h5", side=None, names=True)
    np.testing.assert_array_equal(read_features(path, spots), VECTORS[:3])


def test_h5_with_a_leading_axis_is_read(tmp_path: Path, spots: Patches) -> None:
    path = write_h5(tmp_path / "a.h5", features=VECTORS[SHUFFLED][None])
    np.testing.assert_array_equal(read_features(path, spots), VECTORS[:3])


def test_h5_without_a_patch_size_is_refused_by_the_name_of_the_attribute(tmp_path: Path, spots: Patches) -> None:
    with pytest.raises(DataError, match="patch_size_level0"):
        read_features(write_h5(tmp_path / "a.h5", side=None), spots)


def test_h5_that_does_not_say_of_which_patch_a_row_is_is_refused(tmp_path: Path, spots: Patches) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["features"] = VECTORS
    with pytest.raises(DataError, match="holds neither barcodes nor coordinates"):
        read_features(path, spots)


def test_h5_whose_barcodes_are_of_other_spots_is_refused_with_both_named(tmp_path: Path, spots: Patches) -> None:
    path = write_h5(tmp_path / "a.h5", barcodes=[b"T1", b"T2", b"T3", b"T4"], names=True, side=None)
    with pytest.raises(DataError, match=f"3 of 3 patches have no features by barcode; the first is {NAMES[0]}"):
        read_features(path, spots)


def test_pt_is_matched_by_barcode(tmp_path: Path, spots: Patches) -> None:
    path = tmp_path / "a.pt"
    torch.save({name: torch.from_numpy(VECTORS[row]) for row, name in reversed(list(enumerate(NAMES)))}, path)
    np.testing.assert_array_equal(read_features(path, spots), VECTORS[:3])


class Explosive:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("exploded"),))  # type: ignore[return-value]


def test_pt_with_more_than_tensors_is_not_run(tmp_path: Path, spots: Patches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pt"
    torch.save({"AAAC": Explosive()}, path)
    with pytest.raises(DataError, match="refused"):
        read_features(path, spots)
    assert not Path("exploded").exists()


def test_npy_is_matched_by_its_coordinates(tmp_path: Path, spots: Patches) -> None:
    path = tmp_path / "a.npy"
    np.save(path, VECTORS[:3][::-1])
    rows = [f"{x},{y}" for x, y in POSITIONS[::-1]]
    path.with_suffix(".csv").write_text("\n".join(["x,y", *rows]))
    np.testing.assert_array_equal(read_features(path, spots), VECTORS[:3])


def test_npy_without_coordinates_says_which_file_is_missing(tmp_path: Path, spots: Patches) -> None:
    np.save(tmp_path / "a.npy", VECTORS)
    with pytest.raises(DataError, match=r"a\.csv"):
        read_features(tmp_path / "a.npy", spots)


def test_npy_with_objects_is_not_unpickled(tmp_path: Path, spots: Patches) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"a\.npy"):
        read_features(path, spots)


def test_a_missing_patch_is_named(tmp_path: Path, slide: Slide) -> None:
    more = patches_at(slide, np.array([[100.0, 120.0], [300.0, 300.0]]), 64.0, names=("AAAC", "far"))
    with pytest.raises(DataError, match=r"1 of 2 patches .* far .* x 300, y 300"):
        read_features(write_h5(tmp_path / "a.h5"), more)


def test_values_that_are_not_finite_are_named_by_patch(tmp_path: Path, spots: Patches) -> None:
    broken = VECTORS[SHUFFLED].copy()
    broken[SHUFFLED.index(1), 2] = np.nan
    with pytest.raises(DataError, match="CCGT"):
        read_features(write_h5(tmp_path / "a.h5", features=broken), spots)


def test_lengths_that_disagree_are_refused(tmp_path: Path, spots: Patches) -> None:
    path = write_h5(tmp_path / "a.h5", features=VECTORS[:2])
    with pytest.raises(DataError, match="2 feature vectors, but 4"):
        read_features(path, spots)


@pytest.mark.parametrize("suffix", [".h5", ".pt", ".npy"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, spots: Patches, suffix: str) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(b"not what it says")
    (tmp_path / "broken.csv").write_text("x,y\n1,2\n")
    with pytest.raises(DataError, match="broken"):
        read_features(path, spots)


def test_an_empty_pickle_and_other_endings_are_refused(tmp_path: Path, spots: Patches) -> None:
    with (tmp_path / "list.pt").open("wb") as file:
        pickle.dump([], file)
    (tmp_path / "a.txt").write_text("1 2 3")
    for name in ("list.pt", "a.txt", "absent.h5"):
        with pytest.raises(DataError, match=name):
            read_features(tmp_path / name, spots)
