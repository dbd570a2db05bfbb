from __future__ import annotations

from pathlib import Path

import pytest

from molf_engine.errors import ConfigError, DataError
from molf_engine.genes import hallmark_sets, panel


def test_the_released_panel_keeps_the_channel_order_of_the_weights(shared_root: Path) -> None:
    released = (shared_root / "facts" / "hallmark_hvg50_panel_1386.txt").read_text().split()
    assert panel("molf-1386") == tuple(released)


def test_the_released_panel_has_1386_genes_in_ascii_order() -> None:
    genes = panel("molf-1386")
    assert len(genes) == len(set(genes)) == 1386
    assert list(genes) == sorted(genes)


def test_the_hallmark_panel_is_the_part_of_the_released_one_in_some_set() -> None:
    genes = panel("hallmark")
    in_some_set = {symbol for symbols in hallmark_sets().values() for symbol in symbols}
    assert genes == tuple(gene for gene in panel("molf-1386") if gene in in_some_set)
    assert len(genes) == 1169


def test_a_panel_file_holds_one_symbol_a_line_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "panel.txt"
    path.write_text("# mine\nGNAS\n\nERBB2  # amplified\r\nACTB\n")
    assert panel(str(path)) == ("GNAS", "ERBB2", "ACTB")


def test_an_unknown_panel_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="molf-1386, hallmark"):
        panel("molf-9999")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n# nothing\n", "is empty"),
        ("GNAS\nACTB\nGNAS\n", "GNAS more than once"),
        ("GNAS,ACTB\n", "one symbol a line"),
    ],
)
def test_a_panel_file_that_is_no_list_of_symbols_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "panel.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        panel(path)


def test_a_binary_file_is_no_panel(tmp_path: Path) -> None:
    path = tmp_path / "panel.txt"
    path.write_bytes(b"\xff\xfe\x00\x01GNAS")
    with pytest.raises(DataError, match="Cannot read the gene panel"):
        panel(path)


def test_the_panel_that_is_chosen_on_data_says_so() -> None:
    with pytest.raises(ConfigError, match="chosen on the training sections"):
        panel("hallmark+hvg")
