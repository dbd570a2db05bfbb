"""run.py, function by function; .ci/run runs the whole of it from a clean clone."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "run.py"


@pytest.fixture
def script() -> Iterator[ModuleType]:
    """A fresh copy of the script as a module."""
    spec = importlib.util.spec_from_file_location("molf_run_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def tree(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository of its own, for the parts that write."""
    for name in script.INSTALL_INPUTS:
        (tmp_path / name).write_text((SCRIPT.parent / name).read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(script, "STAMP", tmp_path / ".venv" / "stamp.json")
    monkeypatch.setattr(script.install_state, "__defaults__", (tmp_path,))
    monkeypatch.setattr(script.read_stamp, "__defaults__", (tmp_path / ".venv" / "stamp.json",))
    monkeypatch.setattr(script.venv_python, "__defaults__", (tmp_path / ".venv", sys.platform))
    return tmp_path


# Python


def test_an_old_python_is_told_which_one_is_needed(script: ModuleType) -> None:
    complaint = script.python_complaint((3, 10))
    assert "3.11 or newer" in complaint and "this is 3.10" in complaint
    assert script.python_complaint((3, 11)) is None
    assert script.python_complaint((4, 0)) is None


def test_an_old_python_can_read_the_script_as_far_as_that_message() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 7))
    heads = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    newer = {"tomllib", "zoneinfo", "graphlib"}
    assert not newer & {alias.name for node in heads for alias in node.names}


# The command line


def test_arguments_after_test_go_to_pytest_as_they_are(script: ModuleType) -> None:
    options = script.parse(["test", "-k", "slide", "--maxfail=1", "tests/molf_engine"])
    assert options.command == "test"
    assert options.rest == ["-k", "slide", "--maxfail=1", "tests/molf_engine"]


@pytest.mark.parametrize("arguments", [[], ["shell"], ["demo", "--fast"]])
def test_anything_else_is_refused_with_the_usage(
    script: ModuleType, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        script.parse(arguments)
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


# System packages


def test_windows_and_macos_need_no_system_packages(script: ModuleType) -> None:
    for platform in ("win32", "darwin"):
        assert script.missing_packages(False, platform=platform, loads=lambda _: False, which=lambda _: None) == []
        assert script.has_display({}, platform)


def test_a_bare_linux_is_told_everything_at_once(script: ModuleType) -> None:
    missing = script.missing_packages(
        False, platform="linux", loads=lambda _: False, which=lambda _: None, finds_module=lambda _: None
    )
    names = {package.debian for package in missing}
    assert {"libgl1", "libegl1", "libxcb-cursor0", "libxkbcommon-x11-0", "xvfb"} <= names
    assert f"python{sys.version_info[0]}.{sys.version_info[1]}-venv" in names


def test_only_what_is_missing_is_named(script: ModuleType) -> None:
    missing = script.missing_packages(
        True, platform="linux", loads=lambda name: name != "libxcb-cursor.so.0", which=lambda _: None
    )
    assert [package.debian for package in missing] == ["libxcb-cursor0"]


def test_a_display_makes_a_virtual_one_unnecessary(script: ModuleType) -> None:
    assert script.has_display({"DISPLAY": ":0"}, "linux")
    assert script.has_display({"WAYLAND_DISPLAY": "wayland-0"}, "linux")
    assert not script.has_display({"DISPLAY": ""}, "linux")
    for display, expected in ((True, []), (False, ["xvfb"])):
        missing = script.missing_packages(display, platform="linux", loads=lambda _: True, which=lambda _: None)
        assert [package.debian for package in missing] == expected


def test_the_install_command_fits_the_system(script: ModuleType) -> None:
    shape, sync = (package for package in script.LIBRARIES if package.debian in {"libxcb-shape0", "libxcb-sync1"})
    assert script.install_command([shape, sync], "apt-get", root=False)[:3] == ["sudo", "apt-get", "install"]
    assert script.install_command([shape, sync], "apt-get", root=True)[-2:] == ["libxcb-shape0", "libxcb-sync1"]
    # One Fedora package holds both.
    assert script.install_command([shape, sync], "dnf", root=True) == ["dnf", "install", "-y", "libxcb"]
    assert script.install_command([shape, sync], None, root=True) is None


def test_without_root_the_exact_command_is_printed_and_nothing_is_made(
    script: ModuleType,
    tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(script, "missing_packages", lambda display: [script.LIBRARIES[0], script.VIRTUAL_DISPLAY])
    monkeypatch.setattr(script.os, "geteuid", lambda: 1000, raising=False)
    monkeypatch.setattr(script.shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    monkeypatch.setattr(script, "run", lambda *_, **__: pytest.fail("nothing may be run"))
    assert script.main(["demo"]) == 2
    assert "sudo apt-get install -y --no-install-recommends libgl1 xvfb" in capsys.readouterr().err
    assert not (tree / ".venv").exists()


# What is installed


def test_the_demo_asks_for_qt_and_the_tests_for_pytest_as_well(script: ModuleType) -> None:
    import tomllib

    project = tomllib.loads((SCRIPT.parent / "pyproject.toml").read_text(encoding="utf-8"))
    demo, tests = script.requirements(project, tests=False), script.requirements(project, tests=True)
    assert "napari[all]" in demo
    assert set(project["project"]["dependencies"]) <= set(demo)
    assert any(line.startswith("hatchling") for line in demo)
    assert not any(line.startswith("pytest") for line in demo)
    assert set(tests) - set(demo) >= {line for line in tests if line.startswith(("pytest", "ruff", "mypy"))}
    assert len(tests) == len(set(tests))


def test_an_environment_is_current_until_an_input_changes(script: ModuleType, tree: Path) -> None:
    state = script.install_state(False, tree)
    assert script.is_current(dict(state), script.install_state(False, tree))
    (tree / "constraints.txt").write_text("numpy==1\n", encoding="utf-8")
    changed = script.install_state(False, tree)
    assert not script.is_current(state, changed)
    assert script.is_repairable(state, changed)
    assert not script.is_repairable({**state, "python": "another"}, changed)
    assert not script.is_current(None, changed)


def test_line_endings_of_a_clone_change_nothing(script: ModuleType, tree: Path) -> None:
    before = script.install_state(True, tree)
    for name in script.INSTALL_INPUTS:
        path = tree / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert script.install_state(True, tree) == before


def test_an_environment_for_tests_serves_the_demo_but_not_the_reverse(script: ModuleType, tree: Path) -> None:
    tests, demo = script.install_state(True, tree), script.install_state(False, tree)
    assert script.is_current(tests, demo)
    assert not script.is_current(demo, tests)


def test_a_damaged_stamp_counts_as_none(script: ModuleType, tmp_path: Path) -> None:
    stamp = tmp_path / "stamp.json"
    assert script.read_stamp(stamp) is None
    for text in ("{", "[]", ""):
        stamp.write_text(text, encoding="utf-8")
        assert script.read_stamp(stamp) is None


class Installer:
    """Stands in for the commands that make an environment; can fail at the one whose arguments hold a word."""

    def __init__(self, script: ModuleType, tree: Path) -> None:
        self.script, self.tree = script, tree
        self.calls: list[str] = []
        self.fails_at = ""

    def run(self, command: list[str], complaint: str, env: object = None) -> None:
        line = " ".join(command)
        self.calls.append(line)
        if self.fails_at and self.fails_at in line:
            raise KeyboardInterrupt
        if "-m venv" in line:
            python = self.script.venv_python()
            python.parent.mkdir(parents=True, exist_ok=True)
            python.touch()
        if "--report" in command:
            report = Path(command[command.index("--report") + 1])
            report.write_text('{"install": []}', encoding="utf-8")


@pytest.fixture
def installer(script: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch) -> Installer:
    installer = Installer(script, tree)
    monkeypatch.setattr(script, "run", installer.run)
    return installer


def test_a_second_run_installs_nothing(script: ModuleType, installer: Installer) -> None:
    python = script.ensure_environment(tests=True)
    assert any("--editable" in call for call in installer.calls)
    installer.calls.clear()
    assert script.ensure_environment(tests=True) == script.ensure_environment(tests=False) == python
    assert installer.calls == []


def test_an_interrupted_install_is_done_again_from_the_start(script: ModuleType, installer: Installer) -> None:
    installer.fails_at = "--editable"
    with pytest.raises(KeyboardInterrupt):
        script.ensure_environment(tests=True)
    assert script.read_stamp() is None
    installer.calls.clear()
    installer.fails_at = ""
    script.ensure_environment(tests=True)
    assert "-m venv --clear" in installer.calls[0]
    assert script.read_stamp() == script.install_state(True)


def test_an_interrupted_update_leaves_no_stamp(script: ModuleType, installer: Installer) -> None:
    script.ensure_environment(tests=False)
    installer.fails_at = "--report"
    with pytest.raises(KeyboardInterrupt):
        script.ensure_environment(tests=True)
    assert script.read_stamp() is None


def test_an_update_keeps_the_environment_and_its_test_tools(
    script: ModuleType, installer: Installer, tree: Path
) -> None:
    script.ensure_environment(tests=True)
    installer.calls.clear()
    (tree / "constraints.txt").write_text("numpy==2.4.6\n", encoding="utf-8")
    script.ensure_environment(tests=False)
    assert not any("-m venv" in call for call in installer.calls)
    assert any("pytest" in call for call in installer.calls)
    assert script.read_stamp()["tests"] is True


def test_a_failing_command_is_named_and_ends_with_code_2(script: ModuleType) -> None:
    with pytest.raises(script.Problem, match=r"It failed \(exit code 3\)"):
        script.run([sys.executable, "-c", "raise SystemExit(3)"], "It failed")


def test_a_child_cannot_wait_for_an_answer(script: ModuleType) -> None:
    script.run([sys.executable, "-c", "import sys; assert sys.stdin.read() == ''"], "It waited")


# How much is downloaded


class Registry(BaseHTTPRequestHandler):
    """Answers HEAD as a package registry does: with a size, without one, or not at all."""

    def do_HEAD(self) -> None:
        self.send_response(404 if "missing" in self.path else 200)
        if "sized" in self.path:
            self.send_header("Content-Length", "2500000")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name is the base class's
        """Keep the test's output clean."""


@pytest.fixture
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_sizes_are_asked_for_without_fetching(script: ModuleType, registry: str, tmp_path: Path) -> None:
    wheel = tmp_path / "a wheel+cpu.whl"
    wheel.write_bytes(bytes(1000))
    urls = [f"{registry}/sized/a.whl", f"{registry}/sized/b.whl", f"{registry}/silent.whl", f"{registry}/missing.whl"]
    assert script.download_sizes([*urls, wheel.as_uri()]) == (5_000_000, 1000, 2)


def test_a_registry_that_does_not_answer_costs_only_the_number(script: ModuleType) -> None:
    # Port 9 of this machine: nothing listens there.
    assert script.download_sizes(["http://127.0.0.1:9/a.whl"]) == (0, 0, 1)


def test_the_announcement_names_size_and_doubt_but_no_host(script: ModuleType, registry: str) -> None:
    packages = [script.Package("a==1", f"{registry}/a.whl"), script.Package("b==2", f"{registry}/b.whl")]
    line = script.describe_download(packages, 1_234_000_000, 0, 1)
    assert line == "Installing 2 Python packages. To download: 1,234 MB, and 1 packages of unknown size."
    assert script.describe_download(packages, 0, 5_000_000, 0).endswith(
        "To download: 0 MB; 5 MB more lie on this machine."
    )


def test_packages_are_read_from_a_report_of_pip(script: ModuleType) -> None:
    item = {"metadata": {"name": "torch", "version": "2.13.0"}, "download_info": {"url": "file:///torch.whl"}}
    assert script.packages_in({"install": [item]}) == [script.Package("torch==2.13.0", "file:///torch.whl")]


# The virtual display


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb")
def test_a_virtual_display_answers_and_is_gone_afterwards(script: ModuleType) -> None:
    def connect(address: str) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(address) == 0

    with script.virtual_display() as name:
        # Xvfb listens on a file, in Linux's abstract namespace, or on both.
        place = f"/tmp/.X11-unix/X{name.removeprefix(':')}"
        assert connect(place) or connect(f"\0{place}")
    assert not connect(place) and not connect(f"\0{place}")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has virtual displays")
def test_the_demo_without_a_display_leaves_a_picture_here(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb")
    monkeypatch.chdir(tmp_path)
    seen: dict[str, Any] = {}

    def call(command: list[str], *, cwd: Path, env: dict[str, str] | None = None) -> int:
        seen.update(command=command, display=(env or {}).get("DISPLAY"))
        return 7

    monkeypatch.setattr(script.subprocess, "call", call)
    assert script.demo(Path("python"), display=False) == 7
    assert seen["command"][-2:] == ["--screenshot", str(tmp_path / "molf-demo.png")]
    assert seen["display"].startswith(":")
    assert script.demo(Path("python"), display=True) == 7
    assert seen["command"] == ["python", "-m", "napari_molf.demo"]
    assert seen["display"] is None
