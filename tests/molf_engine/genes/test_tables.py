"""The shipped tables and the script that makes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TABLES = ROOT / "src" / "molf_engine" / "genes" / "tables"


def test_the_script_makes_the_shipped_tables_again(shared_root: Path, tmp_path: Path) -> None:
    script = ROOT / "scripts" / "make_gene_tables.py"
    subprocess.run([sys.executable, script, shared_root / "facts", tmp_path], check=True)
    made = sorted(tmp_path.iterdir())
    assert [path.name for path in made] == ["hallmark.tsv", "molf-1386.txt", "orthologs-mouse.tsv"]
    for path in made:
        assert path.read_bytes() == (TABLES / path.name).read_bytes()


def test_every_table_has_its_source_and_licence_named() -> None:
    readme = (TABLES / "README.md").read_text(encoding="utf-8")
    for path in TABLES.iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in readme
    assert "CC BY 4.0" in readme
