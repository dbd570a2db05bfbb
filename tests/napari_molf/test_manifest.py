"""What napari is told about us."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest
from npe2 import PluginManifest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(ROOT / "napari.yaml")


def test_the_manifest_in_the_package_is_the_one_at_the_root() -> None:
    copy = ROOT / "src" / "napari_molf" / "napari.yaml"
    if not copy.is_file():
        pytest.skip("nothing was built here yet: pip install -e . copies the manifest into the package")
    assert copy.read_text() == (ROOT / "napari.yaml").read_text(), (
        "run `pip install -e .` again: napari.yaml has changed"
    )


def test_every_command_leads_to_something(manifest: PluginManifest) -> None:
    manifest.validate_imports()
    for command in manifest.contributions.commands:
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(import_module(module), name))


def test_the_widget_has_its_name_and_is_in_the_layers_menu(manifest: PluginManifest) -> None:
    (widget,) = manifest.contributions.widgets
    assert widget.display_name == "Predict expression"
    (item,) = manifest.contributions.menus["napari/layers/measure"]
    assert item.command == widget.command


def test_readers_and_the_sample_are_there(manifest: PluginManifest) -> None:
    patterns = {pattern for reader in manifest.contributions.readers for pattern in reader.filename_patterns}
    assert {"*.svs", "*.ndpi", "*.mrxs", "*.scn", "*.bif", "*.tif", "*.tiff", "*.dcm", "*.h5ad", "*.zarr"} <= patterns
    assert {"*.geojson", "*.geojson.gz"} <= patterns
    folders = [reader for reader in manifest.contributions.readers if "*.geojson" not in reader.filename_patterns]
    assert all(reader.accepts_directories for reader in folders)
    assert [sample.key for sample in manifest.contributions.sample_data] == ["simulated-slide"]


def test_importing_the_viewer_loads_neither_torch_nor_the_model(tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys, napari_molf._widget, napari_molf._reader, napari_molf.predict.models as m; m.load_known();"
        "print(sorted({'torch', 'sklearn', 'matplotlib', 'skimage'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
