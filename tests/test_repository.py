"""The house as a whole: which way imports run, what loads when, and what may not be in the repository."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
MODULES = sorted(SOURCE.rglob("*.py"))

# From the ground up.  A room imports from lower floors alone, so rooms of one floor know nothing of each other.
FLOORS = (
    {"errors", "progress"},
    {"files"},
    {"config", "genes", "slides", "nn", "flow", "baselines"},
    {"encoders"},
    {"data", "bundle"},
    {"evaluation"},
    {"training", "prediction", "regions"},
    {"benchmark", "cohort", "export"},
    {"cli"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
VIEWER_FLOORS = (
    {"core"},
    {"desk"},
    {"predict", "show", "trust", "experts", "regions", "compare", "batch", "sessions", "measured", "take_along"},
)
VIEWER_FLOOR = {room: number for number, rooms in enumerate(VIEWER_FLOORS) for room in rooms}
SCREEN = {"napari", "napari_molf", "qtpy", "PyQt5", "PyQt6", "PySide6", "magicgui", "superqt", "vispy", "npe2"}
LARGEST_FILE = 8 * 2**20


@cache
def syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Dotted names that a module imports anywhere, inside functions too, with their lines."""
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def room_of(path: Path) -> str | None:
    """Room of a module of the engine; None for the package's own two modules and for the viewer."""
    package, *inner = path.relative_to(SOURCE).with_suffix("").parts
    return None if package != "molf_engine" or inner[0] in {"__init__", "__main__"} else inner[0]


def places(offences: list[tuple[Path, int, str]]) -> str:
    return "\n".join(f"{path.relative_to(ROOT)}:{line}: {what}" for path, line, what in offences)


def test_every_room_of_the_engine_has_its_floor() -> None:
    rooms = {room for path in MODULES if (room := room_of(path))}
    assert rooms <= set(FLOOR), f"say on which floor these are: {sorted(rooms - set(FLOOR))}"


def test_no_import_runs_up_or_across_a_floor() -> None:
    offences = []
    for path in MODULES:
        room = room_of(path)
        if room is None:
            continue
        for name, line in imported(path):
            package, _, rest = name.partition(".")
            other = rest.partition(".")[0]
            if package == "molf_engine" and other in FLOOR and other != room and FLOOR[other] >= FLOOR[room]:
                offences.append((path, line, f"{room} imports {other}"))
    assert not offences, places(offences)


def viewer_room_of(path: Path) -> str | None:
    """Room of a module of the viewer; None for the engine and for what lies beside the rooms, which puts them together."""
    package, *inner = path.relative_to(SOURCE).with_suffix("").parts
    return inner[0] if package == "napari_molf" and len(inner) > 1 else None


def test_sections_of_the_dock_know_the_desk_and_not_each_other() -> None:
    rooms = {room for path in MODULES if (room := viewer_room_of(path))}
    assert rooms == set(VIEWER_FLOOR), f"say on which floor these are: {sorted(rooms ^ set(VIEWER_FLOOR))}"
    offences = []
    for path in MODULES:
        room = viewer_room_of(path)
        for name, line in imported(path) if room else ():
            package, _, rest = name.partition(".")
            other = rest.partition(".")[0]
            if package == "napari_molf" and other != room and VIEWER_FLOOR.get(other, 99) >= VIEWER_FLOOR[room]:
                offences.append((path, line, f"{room} imports {other}"))
    assert not offences, places(offences)


def test_the_engine_imports_nothing_of_a_viewer() -> None:
    offences = [
        (path, line, name)
        for path in MODULES
        if path.is_relative_to(SOURCE / "molf_engine")
        for name, line in imported(path)
        if name.partition(".")[0] in SCREEN
    ]
    assert not offences, places(offences)


def test_networks_and_flow_know_no_files_and_no_tables() -> None:
    known = {"numpy", "torch", "typing_extensions", "molf_engine"} | set(sys.stdlib_module_names)
    offences = [
        (path, line, name)
        for path in MODULES
        if room_of(path) in {"nn", "flow"}
        for name, line in imported(path)
        if name.partition(".")[0] not in known or name.startswith(("pathlib.", "os.", "json."))
    ]
    assert not offences, places(offences)


def test_only_public_parts_of_napari_are_used() -> None:
    offences = [
        (path, line, name)
        for path in MODULES
        for name, line in imported(path)
        if name.startswith("napari.") and any(part.startswith("_") for part in name.split("."))
    ]
    assert not offences, places(offences)


def test_nothing_is_printed_past_the_console_and_the_log() -> None:
    offences = [
        (path, node.lineno, "print")
        for path in MODULES
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not offences, places(offences)


def loaded_after(statement: str) -> set[str]:
    """Names of the modules that a fresh interpreter holds after a statement."""
    program = f"import json, sys\n{statement}\nsys.stderr.write('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True, cwd=ROOT
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


HEAVY = {
    "torch",
    "napari",
    "qtpy",
    "PyQt6",
    "sklearn",
    "skimage",
    "matplotlib",
    "openslide",
    "zarr",
    "anndata",
    "scipy",
}


def test_help_of_the_command_line_loads_no_heavy_library() -> None:
    call = """
from molf_engine.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert not end.code
"""
    loaded = loaded_after(call)
    assert "molf_engine.cli" in loaded
    assert not loaded & HEAVY


def test_importing_the_engine_loads_no_heavy_library() -> None:
    assert not loaded_after("import molf_engine") & HEAVY


def test_the_viewer_starts_without_torch() -> None:
    loaded = loaded_after("import napari_molf")
    assert not loaded & (HEAVY - {"napari"})


@pytest.fixture(scope="session")
def committed() -> list[Path]:
    """Files that git keeps, or would keep, in this repository."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git clone")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, encoding="utf-8").stdout
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_in_the_repository_is_large(committed: list[Path]) -> None:
    large = {
        str(path.relative_to(ROOT)): path.stat().st_size for path in committed if path.stat().st_size > LARGEST_FILE
    }
    assert committed
    assert not large


def test_what_a_build_makes_is_not_in_the_repository(committed: list[Path]) -> None:
    assert SOURCE / "napari_molf" / "napari.yaml" not in committed
    assert not [path for path in committed if "__pycache__" in path.parts or ".venv" in path.parts]
