from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from molf_engine.errors import ConfigError
from molf_engine.genes import orthologs, panel


def test_pairs_are_one_to_one_and_known_ones_are_there() -> None:
    pairs = orthologs("mouse")
    assert len(set(pairs.values())) == len(pairs) == 16_464
    assert pairs["EPCAM"] == "Epcam"
    assert any(mouse != human.capitalize() for human, mouse in pairs.items())
    assert "BTBD8" not in pairs  # in two homology groups
    assert sum(gene in pairs for gene in panel("molf-1386")) == 1272


def test_every_pair_is_one_of_the_source(shared_root: Path) -> None:
    with (shared_root / "facts" / "orthologs_human_mouse_homologene.csv").open(newline="") as file:
        pairs = [(row["human_symbol"], row["mouse_symbol"]) for row in csv.DictReader(file)]
    humans, mice = Counter(human for human, _ in pairs), Counter(mouse for _, mouse in pairs)
    assert dict(orthologs("mouse")) == {h: m for h, m in pairs if humans[h] == mice[m] == 1}


def test_another_species_is_refused() -> None:
    with pytest.raises(ConfigError, match="only mouse"):
        orthologs("rat")
