"""What ends up in a wheel and in an editable install, seen from outside."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from npe2 import PluginManifest

ROOT = Path(__file__).resolve().parents[1]
PACKAGED_MANIFEST = "napari_molf/napari.yaml"


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy of what a build needs, as a fresh clone has it: without the packaged copy of the manifest."""
    tree = tmp_path_factory.mktemp("clone")
    for name in ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py", "napari.yaml"):
        shutil.copyfile(ROOT / name, tree / name)
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__", "napari.yaml"))
    return tree


def pip(*arguments: str) -> None:
    """Run pip without build isolation: what is installed here is enough, and the network is not asked."""
    quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments, *quiet], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--wheel-dir", str(folder), str(tree))
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def wheel_metadata(wheel: zipfile.ZipFile) -> Any:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return HeaderParser().parsestr(wheel.read(name).decode())


def package_data() -> list[str]:
    """Files beside the modules that the packages need at run time: tables, shipped bundles, typing markers."""
    source = ROOT / "src"
    skipped = {".py", ".pyc"}
    paths = (path for path in source.rglob("*") if path.is_file() and path.suffix not in skipped)
    return sorted(path.relative_to(source).as_posix() for path in paths)


def test_wheel_holds_both_packages_and_all_their_data(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    data = package_data()
    assert {"molf_engine/__init__.py", "napari_molf/__init__.py", PACKAGED_MANIFEST} <= names
    assert any(name.startswith("molf_engine/genes/tables/") for name in data)
    assert set(data) <= names


def test_wheel_holds_the_shipped_bundles(wheel: zipfile.ZipFile) -> None:
    from molf_engine.bundle import shipped_bundles

    names = set(wheel.namelist())
    bundles = shipped_bundles()
    assert set(bundles) == {"demo", "starter"}
    for folder in bundles.values():
        inside = Path(folder).resolve().relative_to(ROOT / "src").as_posix()
        for name in (
            "config.json",
            "model.safetensors",
            "genes.tsv",
            "rivals.safetensors",
            "metrics.json",
            "README.md",
        ):
            assert f"{inside}/{name}" in names
    size = sum(path.stat().st_size for folder in bundles.values() for path in Path(folder).rglob("*") if path.is_file())
    assert size < 12e6


def test_wheel_holds_neither_tests_nor_tools(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"molf_engine", "napari_molf"}


def test_wheel_declares_command_manifest_and_licence(wheel: zipfile.ZipFile, wheel_metadata: Any) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    entry_points = wheel.read(name).decode()
    assert "napari-molf = napari_molf:napari.yaml" in entry_points
    assert "molf-engine = molf_engine.cli:main" in entry_points
    assert wheel_metadata["License-Expression"] == "BSD-3-Clause"
    assert wheel_metadata["License-File"] == "LICENSE"
    assert "Framework :: napari" in wheel_metadata.get_all("Classifier")


def test_base_install_brings_no_qt(wheel_metadata: Any) -> None:
    base = [line for line in wheel_metadata.get_all("Requires-Dist") if "extra ==" not in line]
    bindings = ("pyqt", "pyside", "napari[")
    assert base
    assert not [line for line in base if line.lower().startswith(bindings)]


def test_manifest_in_the_wheel_offers_widget_readers_and_sample(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    manifest = PluginManifest.from_file(wheel.extract(PACKAGED_MANIFEST, tmp_path))
    assert manifest.name == "napari-molf"
    assert [widget.display_name for widget in manifest.contributions.widgets or ()] == ["Predict expression"]
    patterns = {pattern for reader in manifest.contributions.readers or () for pattern in reader.filename_patterns}
    assert {"*.svs", "*.ndpi", "*.mrxs", "*.scn", "*.bif", "*.h5ad"} <= patterns
    assert manifest.contributions.sample_data
    menus = manifest.contributions.menus or {}
    assert any(menu.startswith("napari/layers/") for menu in menus)


def test_an_editable_install_of_a_fresh_clone_shows_the_manifest(tree: Path, tmp_path: Path) -> None:
    # A prefix of its own: neither the environment of this test nor a second one with every dependency is touched.
    pip("install", "--prefix", str(tmp_path), "--ignore-installed", "--editable", str(tree))
    (site,) = {path.parent for path in tmp_path.rglob("*.dist-info")}
    program = f"""
import site, sys
sys.path[:] = [{str(site)!r}, *(path for path in sys.path if path != {str(ROOT / "src")!r})]
site.addsitedir({str(site)!r})
from npe2 import PluginManifest
import napari_molf
print(napari_molf.__file__)
print(PluginManifest.from_distribution("napari-molf").contributions.widgets[0].display_name)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    where, widget = done.stdout.splitlines()
    assert Path(where).is_relative_to(tree)
    assert widget == "Predict expression"


def test_npe2_finds_the_manifest_of_this_install() -> None:
    manifest = PluginManifest.from_distribution("napari-molf")
    manifest.validate_imports()
    assert manifest.display_name == "MoLF"


def test_the_packaged_manifest_is_the_one_at_the_root() -> None:
    packaged = ROOT / "src" / PACKAGED_MANIFEST
    assert packaged.is_file(), "install in place first: pip install -e ."
    assert packaged.read_bytes() == (ROOT / "napari.yaml").read_bytes(), "install again: pip install -e ."


def test_this_install_has_the_version_of_the_project_file(project: dict[str, Any]) -> None:
    import molf_engine

    assert metadata.version("napari-molf") == project["version"] == molf_engine.__version__


def test_every_direct_requirement_is_pinned(project: dict[str, Any]) -> None:
    from packaging.requirements import Requirement

    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {pin.name: pin for line in lines if line and not line.startswith("#") for pin in [Requirement(line)]}
    wanted = [Requirement(text) for text in [*project["dependencies"], *groups["dev"], *groups["interop"]]]
    for requirement in wanted:
        (pin,) = pins[requirement.name].specifier
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), f"{requirement} excludes the pin {pin}"
