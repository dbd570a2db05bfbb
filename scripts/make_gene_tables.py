"""Make the gene tables that ship with the package from the published sources.

    python scripts/make_gene_tables.py FACTS [OUTPUT]

FACTS is a folder with the three files named in ``SOURCES``; OUTPUT is by default the package's own tables folder.
What each table holds, its source and its licence: ``src/molf_engine/genes/tables/README.md``.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

SOURCES = {
    "panel": "hallmark_hvg50_panel_1386.txt",
    "hallmark": "hallmark/h.all.v2025.1.Hs.symbols.gmt",
    "orthologs": "orthologs_human_mouse_homologene.csv",
}
TABLES = Path(__file__).resolve().parents[1] / "src" / "molf_engine" / "genes" / "tables"


def panel_lines(source: Path) -> list[str]:
    """One symbol a line, in the order of the released weights."""
    return [
        "# The 1,386 genes of MoLF, in the channel order of its released weights:",
        "# 1,169 Hallmark genes and 430 variable genes, 213 of them shared.",
        *source.read_text(encoding="utf-8").split(),
    ]


def hallmark_lines(source: Path) -> list[str]:
    """One set a line: its name without ``HALLMARK_``, a tab, its symbols."""
    lines = [
        "# MSigDB Hallmark gene sets, human, v2025.1. Liberzon et al. 2015; Broad Institute, UC San Diego. CC BY 4.0"
    ]
    for line in source.read_text(encoding="utf-8").splitlines():
        name, _, *symbols = line.split("\t")
        lines.append(f"{name.removeprefix('HALLMARK_')}\t{' '.join(symbols)}")
    return lines


def ortholog_lines(source: Path) -> list[str]:
    """One pair a line; the mouse symbol only where it is not the human one capitalised."""
    with source.open(encoding="utf-8", newline="") as file:
        pairs = [(row["human_symbol"], row["mouse_symbol"]) for row in csv.DictReader(file) if row["one2one"] == "True"]
    humans, mice = Counter(human for human, _ in pairs), Counter(mouse for _, mouse in pairs)
    # The source marks pairs within one homology group; a symbol in two groups is not one-to-one.
    unique = sorted((human, mouse) for human, mouse in pairs if humans[human] == mice[mouse] == 1)
    lines = [
        "# One-to-one human-mouse orthologs: human symbol, tab, mouse symbol;",
        "# the latter is left out where it is the human one with only its first letter a capital.",
    ]
    return lines + [human if mouse == human.capitalize() else f"{human}\t{mouse}" for human, mouse in unique]


def write(path: Path, lines: Iterable[str]) -> None:
    """Write ``lines`` as UTF-8 with Unix line ends."""
    path.write_bytes(("\n".join(lines) + "\n").encode())


def main() -> None:
    """Read the facts folder, write the three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("facts", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=TABLES)
    arguments = parser.parse_args()
    facts, output = arguments.facts, arguments.output
    output.mkdir(parents=True, exist_ok=True)
    write(output / "molf-1386.txt", panel_lines(facts / SOURCES["panel"]))
    write(output / "hallmark.tsv", hallmark_lines(facts / SOURCES["hallmark"]))
    write(output / "orthologs-mouse.tsv", ortholog_lines(facts / SOURCES["orthologs"]))


if __name__ == "__main__":
    main()
