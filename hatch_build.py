"""Build hook: the manifest is kept at the root of the repository and is read from inside the package.

npe2 looks for ``napari.yaml`` in the folder of ``napari_molf`` alone, and an editable install has no other place than ``src``.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManifestHook(BuildHookInterface):
    """Copy the manifest into the package before a wheel, an editable install or an sdist is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Copy ``napari.yaml`` next to the package's modules."""
        root = Path(self.root)
        shutil.copyfile(root / "napari.yaml", root / "src" / "napari_molf" / "napari.yaml")
