"""Positions come from a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from molf_engine.errors import SlideError
from molf_engine.slides import read_positions


def _write(folder: Path, text: str, name: str = "positions.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_x_and_y_columns_in_any_order(tmp_path: Path, delimiter: str) -> None:
    text = "y,name,x\n20.5,a,10\n40,b,30\n\n".replace(",", delimiter)
    positions, names = read_positions(_write(tmp_path, text))
    np.testing.assert_array_equal(positions, [(10, 20.5), (30, 40)])
    assert names == ("a", "b")


def test_without_names_there_are_none(tmp_path: Path) -> None:
    assert read_positions(_write(tmp_path, "x,y\n1,2\n"))[1] is None


def test_space_ranger_positions_in_tissue(tmp_path: Path, shared_data: Path) -> None:
    positions, names = read_positions(shared_data / "visium_cytassist_mouse_embryo/spatial/tissue_positions.csv")
    assert names is not None and len(names) == len(positions) > 100
    headed = "barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres\n"
    rows = "AA-1,1,0,0,200,100\nAC-1,0,0,2,300,400\n"
    for text in (headed + rows, rows):
        positions, names = read_positions(_write(tmp_path, text))
        np.testing.assert_array_equal(positions, [(100, 200)])
        assert names == ("AA-1",)


def test_mistakes_are_named_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(SlideError, match="line 3: no x, y"):
        read_positions(_write(tmp_path, "x,y\n1,2\n3,far\n"))
    with pytest.raises(SlideError, match=r"columns a, b\..*x and y"):
        read_positions(_write(tmp_path, "a,b\n1,2\n"))
    with pytest.raises(SlideError, match="is empty"):
        read_positions(_write(tmp_path, "\n"))
    with pytest.raises(SlideError, match="Cannot read the positions"):
        read_positions(tmp_path / "nowhere.csv")
    with pytest.raises(SlideError, match="no position that is in tissue"):
        read_positions(_write(tmp_path, "barcode,in_tissue,x,y\na,0,1,2\n"))
