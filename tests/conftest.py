"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_root() -> Path:
    """Folder with real sections, reference vectors and fact tables; only some machines have it."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        reason = f"needs {folder}, which is not on this machine"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def shared_data(shared_root: Path) -> Path:
    """Real H&E with measured expression, and real slide files."""
    return shared_root / "data"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a feature cache and folders of the user's data and settings of its own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("MOLF_CACHE_DIR", str(folder))
    monkeypatch.setenv("MOLF_DATA_DIR", str(tmp_path / "user-data"))
    monkeypatch.setenv("MOLF_CONFIG_DIR", str(tmp_path / "user-config"))
    return folder
