"""Two commands for a machine that has nothing but Python 3.11 or newer.

    python3 run.py demo    open napari with the demo slide, its prediction and the overlays
    python3 run.py test    run the tests; further arguments go to pytest

Both first make the virtual environment ``.venv`` beside this file, with the versions in constraints.txt, and say how
much they are about to download.  While constraints.txt and pyproject.toml stay as they are, the next run uses it again.
Standard library only.  Exit code 2: something is missing, and the message says what to do.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OLDEST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "molf-installed.json"
CONSTRAINTS = ROOT / "constraints.txt"
SCREENSHOT = "molf-demo.png"
MOST_TEST_PROCESSES = 4
"""Each holds a napari window and a model: 2 GB."""

# What an editable install depends on: requirements, versions, and the manifest that the build copies into the package.
INSTALL_INPUTS = ("pyproject.toml", "constraints.txt", "hatch_build.py", "napari.yaml")
# hatchling asks for this one when it builds an editable install.
EDITABLE_BUILD_REQUIREMENT = "editables"


class Problem(Exception):
    """Something that only the user can put right; the message says how."""


# --- What the operating system has to bring ---------------------------------------------------------------------------


@dataclass(frozen=True)
class SystemPackage:
    """Something outside Python, and the packages that bring it on the two families of Linux that we name."""

    what: str
    debian: str
    fedora: str


# Libraries that Qt's xcb plugin and OpenGL are linked against and that no Python package contains.
LIBRARIES = (
    SystemPackage("libGL.so.1", "libgl1", "libglvnd-glx"),
    SystemPackage("libEGL.so.1", "libegl1", "libglvnd-egl"),
    SystemPackage("libX11-xcb.so.1", "libx11-xcb1", "libX11-xcb"),
    SystemPackage("libxcb-cursor.so.0", "libxcb-cursor0", "xcb-util-cursor"),
    SystemPackage("libxcb-icccm.so.4", "libxcb-icccm4", "xcb-util-wm"),
    SystemPackage("libxcb-image.so.0", "libxcb-image0", "xcb-util-image"),
    SystemPackage("libxcb-keysyms.so.1", "libxcb-keysyms1", "xcb-util-keysyms"),
    SystemPackage("libxcb-randr.so.0", "libxcb-randr0", "libxcb"),
    SystemPackage("libxcb-render-util.so.0", "libxcb-render-util0", "xcb-util-renderutil"),
    SystemPackage("libxcb-shape.so.0", "libxcb-shape0", "libxcb"),
    SystemPackage("libxcb-sync.so.1", "libxcb-sync1", "libxcb"),
    SystemPackage("libxcb-xfixes.so.0", "libxcb-xfixes0", "libxcb"),
    SystemPackage("libxcb-xkb.so.1", "libxcb-xkb1", "libxcb"),
    SystemPackage("libxkbcommon-x11.so.0", "libxkbcommon-x11-0", "libxkbcommon-x11"),
    SystemPackage("libdbus-1.so.3", "libdbus-1-3", "dbus-libs"),
    SystemPackage("libfontconfig.so.1", "libfontconfig1", "fontconfig"),
    SystemPackage("libfreetype.so.6", "libfreetype6", "freetype"),
    SystemPackage("libglib-2.0.so.0", "libglib2.0-0", "glib2"),
)
VIRTUAL_DISPLAY = SystemPackage("Xvfb (a virtual display)", "xvfb", "xorg-x11-server-Xvfb")
PYTHON_VENV = SystemPackage(
    "Python's venv with pip", f"python{sys.version_info[0]}.{sys.version_info[1]}-venv", "python3-libs"
)


def can_load(library: str) -> bool:
    """Whether the system's loader finds a shared library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def has_display(environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Whether a window can open: always, except on a Linux without a display server."""
    return not platform.startswith("linux") or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def missing_packages(
    display: bool,
    *,
    platform: str = sys.platform,
    loads: Callable[[str], bool] = can_load,
    which: Callable[[str], str | None] = shutil.which,
    finds_module: Callable[[str], object | None] = importlib.util.find_spec,
) -> list[SystemPackage]:
    """System packages that are needed and not there.  Windows and macOS bring everything with them."""
    if not platform.startswith("linux"):
        return []
    missing = [] if finds_module("ensurepip") else [PYTHON_VENV]
    missing += [library for library in LIBRARIES if not loads(library.what)]
    if not display and which("Xvfb") is None:
        missing.append(VIRTUAL_DISPLAY)
    return missing


def install_command(missing: Sequence[SystemPackage], manager: str | None, root: bool) -> list[str] | None:
    """Command that installs the packages with ``apt-get`` or ``dnf``; None for a manager whose names we do not know."""
    if manager == "apt-get":
        command = ["apt-get", "install", "-y", "--no-install-recommends"]
        names = [package.debian for package in missing]
    elif manager == "dnf":
        command = ["dnf", "install", "-y"]
        names = [package.fedora for package in missing]
    else:
        return None
    return ([] if root else ["sudo"]) + command + list(dict.fromkeys(names))


def ensure_system_packages(display: bool) -> None:
    """Install what is missing where that needs nobody's password (root on Debian or Ubuntu); else say how, and stop."""
    missing = missing_packages(display)
    if not missing:
        return
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    manager = next((name for name in ("apt-get", "dnf") if shutil.which(name)), None)
    command = install_command(missing, manager, root)
    if manager == "apt-get" and root and command is not None:
        say(f"Installing {len(missing)} missing system packages: {' '.join(command)}")
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for step in (["apt-get", "update", "-qq"], [*command, "-qq"]):
            run(step, "The system's package manager failed", env=quiet)
        missing = missing_packages(display)
        if not missing:
            return
    names = ", ".join(package.what for package in missing)
    if command is None:
        raise Problem(f"This system lacks: {names}.\nInstall the packages that hold them, then run this again.")
    raise Problem(f"This system lacks: {names}.\nInstall them with\n\n    {' '.join(command)}\n\nthen run this again.")


# --- The virtual environment ------------------------------------------------------------------------------------------


def venv_python(venv: Path = VENV, platform: str = sys.platform) -> Path:
    """Interpreter of a virtual environment."""
    return venv / ("Scripts/python.exe" if platform == "win32" else "bin/python")


def requirements(project: Mapping[str, Any], tests: bool) -> list[str]:
    """Everything that pyproject.toml asks for: to run, to build in place and, for tests, the group ``dev``."""
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["all"]]
    wanted += [*project["build-system"]["requires"], EDITABLE_BUILD_REQUIREMENT]
    if tests:
        wanted += project["dependency-groups"]["dev"]
    return list(dict.fromkeys(wanted))


def install_state(tests: bool, root: Path = ROOT) -> dict[str, Any]:
    """What an environment was made from: while this is the same, it can be used again."""
    digest = hashlib.sha256()
    for name in INSTALL_INPUTS:
        # Line endings differ between clones, without a difference in meaning.
        digest.update(name.encode() + b"\0" + (root / name).read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return {"root": str(root), "python": sys.version, "inputs": digest.hexdigest(), "tests": tests}


def read_stamp(stamp: Path = STAMP) -> dict[str, Any] | None:
    """State that the last finished install wrote; None if there is none."""
    try:
        state = json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


def is_current(stamp: Mapping[str, Any] | None, state: Mapping[str, Any]) -> bool:
    """Whether an install covers what is wanted; one made for the tests covers the demo too."""
    if stamp is None or any(stamp.get(key) != state[key] for key in ("root", "python", "inputs")):
        return False
    return bool(stamp.get("tests")) or not state["tests"]


def is_repairable(stamp: Mapping[str, Any] | None, state: Mapping[str, Any]) -> bool:
    """Whether a finished environment of the same Python and place can be brought up to date instead of made anew."""
    return stamp is not None and all(stamp.get(key) == state[key] for key in ("root", "python"))


def ensure_environment(tests: bool) -> Path:
    """Make or update ``.venv`` if it has to be, and return its interpreter."""
    import tomllib

    state, stamp, python = install_state(tests), read_stamp(), venv_python()
    if is_current(stamp, state) and python.exists():
        return python
    if stamp is not None and is_repairable(stamp, state) and python.exists():
        # What is installed stays: an environment for tests must not lose them to the demo.
        state["tests"] = tests = tests or bool(stamp["tests"])
    else:
        say(f"Making the virtual environment {VENV}")
        run([sys.executable, "-m", "venv", "--clear", str(VENV)], "The virtual environment could not be made")
        say("Updating pip in it (about 2 MB)")
        pip(python, "install", "--quiet", "--upgrade", "--constraint", str(CONSTRAINTS), "pip")
    # From here to the new stamp an interruption leaves no stamp, and the next run starts afresh.
    STAMP.unlink(missing_ok=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = resolve(python, requirements(project, tests))
    if packages:
        say(describe_download(packages, *download_sizes(package.url for package in packages)))
        # On a terminal pip shows its progress; a log needs none.
        quiet = [] if sys.stdout.isatty() else ["--quiet"]
        pip(python, "install", *quiet, "--no-deps", *(package.pin for package in packages))
    pip(python, "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    STAMP.write_text(json.dumps(state, indent=2), encoding="utf-8")
    return python


@dataclass(frozen=True)
class Package:
    """One Python package that pip chose: exact version, and where it comes from."""

    pin: str
    url: str


def resolve(python: Path, wanted: Sequence[str]) -> list[Package]:
    """Packages that pip would install now, without installing them."""
    say("Asking pip what is needed")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        arguments = ["--dry-run", "--quiet", "--report", str(report), "--constraint", str(CONSTRAINTS)]
        pip(python, "install", *arguments, *wanted)
        return packages_in(json.loads(report.read_text(encoding="utf-8")))


def packages_in(report: Mapping[str, Any]) -> list[Package]:
    """Packages of a report that ``pip install --report`` wrote."""
    return [
        Package(f"{item['metadata']['name']}=={item['metadata']['version']}", item["download_info"]["url"])
        for item in report["install"]
    ]


# --- How much is downloaded -------------------------------------------------------------------------------------------


def content_length(url: str) -> int | None:
    """Size in bytes of what a web address holds, without fetching it; None if the server does not say."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=10) as answer:
            length = answer.headers.get("Content-Length")
    except (OSError, ValueError):
        return None
    return int(length) if length and length.isdecimal() else None


def download_sizes(urls: Iterable[str], ask: Callable[[str], int | None] = content_length) -> tuple[int, int, int]:
    """Bytes to download, bytes that lie on this machine already, and the number of packages of unknown size."""
    split = [(urllib.parse.urlsplit(url), url) for url in urls]
    local = sum(
        Path(urllib.request.url2pathname(parts.path)).stat().st_size for parts, _ in split if parts.scheme == "file"
    )
    with ThreadPoolExecutor(16) as pool:
        sizes = list(pool.map(ask, (url for parts, url in split if parts.scheme != "file")))
    return sum(size for size in sizes if size is not None), local, sizes.count(None)


def describe_download(packages: Sequence[Package], remote: int, local: int, unknown: int) -> str:
    """One line about what is about to be fetched."""
    line = f"Installing {len(packages)} Python packages. To download: {remote / 1e6:,.0f} MB"
    if unknown:
        line += f", and {unknown} packages of unknown size"
    return line + (f"; {local / 1e6:,.0f} MB more lie on this machine." if local else ".")


# --- The two commands -------------------------------------------------------------------------------------------------


def demo(python: Path, display: bool) -> int:
    """Open napari with the demo; without a display, on a virtual one, and leave a picture of the window."""
    command = [str(python), "-m", "napari_molf.demo"]
    if display:
        say("Opening napari with the demo slide")
        return subprocess.call(command, cwd=ROOT)
    picture = Path.cwd() / SCREENSHOT
    say(f"This machine has no display: the window opens on a virtual one, and its picture goes to {picture}")
    with virtual_display() as name:
        # Without this Qt would look for Wayland in some desktops' environments.
        environment = {**os.environ, "DISPLAY": name, "QT_QPA_PLATFORM": "xcb"}
        return subprocess.call([*command, "--screenshot", str(picture)], cwd=ROOT, env=environment)


def test(python: Path, arguments: Sequence[str]) -> int:
    """Run pytest; where there is no display, its plug-in pytest-xvfb starts a virtual one.

    All of the tests run in several processes of one thread each; what is asked for by name, in one.
    """
    processes = min(MOST_TEST_PROCESSES, os.cpu_count() or 1)
    apart = [] if arguments or processes < 2 else ["-n", str(processes), "--dist", "loadfile"]
    threads = {"OMP_NUM_THREADS": "1"} if apart else {}
    return subprocess.call([str(python), "-m", "pytest", *apart, *arguments], cwd=ROOT, env={**threads, **os.environ})


@contextlib.contextmanager
def virtual_display() -> Iterator[str]:
    """Start Xvfb with OpenGL on a free display number, yield its name and stop it afterwards."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1200x24", "+extension", "GLX"]
    server = subprocess.Popen(
        [*command, "-nolisten", "tcp"],
        pass_fds=(writing,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        # Xvfb writes the number when it is ready; an empty line means that it ended instead.
        with open(reading, encoding="ascii") as pipe:
            number = pipe.readline().strip()
        if not number:
            raise Problem("The virtual display (Xvfb) did not start. Try: Xvfb :99 -screen 0 1600x1200x24")
        yield f":{number}"
    finally:
        server.terminate()
        server.wait()


# --- Plumbing ---------------------------------------------------------------------------------------------------------


def say(line: str) -> None:
    """Tell the user what happens, at once."""
    print(f"run.py: {line}", flush=True)


def run(command: Sequence[str], complaint: str, env: Mapping[str, str] | None = None) -> None:
    """Run a command that never waits for an answer.  Raises :class:`Problem` if it fails."""
    code = subprocess.call(list(command), stdin=subprocess.DEVNULL, env=env)
    if code:
        raise Problem(f"{complaint} (exit code {code}): {' '.join(command)[:300]}")


def pip(python: Path, *arguments: str) -> None:
    """Run pip of the virtual environment."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    run([str(python), "-m", "pip", *arguments], "pip failed; its message is above", env=environment)


def python_complaint(version: tuple[int, ...]) -> str | None:
    """Reason why a Python is too old, or None."""
    if version[:2] >= OLDEST_PYTHON:
        return None
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return f"napari-molf needs Python {oldest} or newer; this is {version[0]}.{version[1]}. Try: python{oldest} run.py"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; what follows ``test`` is left for pytest, options included."""
    parser = argparse.ArgumentParser(
        prog="run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["demo", "test"])
    options, rest = parser.parse_known_args(arguments[:1])
    options.rest = [*rest, *arguments[1:]]
    if options.command == "demo" and options.rest:
        parser.error(f"demo takes no arguments: {' '.join(options.rest)}")
    return options


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    complaint = python_complaint(sys.version_info[:2])
    if complaint:
        print(complaint, file=sys.stderr)
        return 2
    options = parse(arguments)
    tests = options.command == "test"
    display = has_display(os.environ)
    try:
        ensure_system_packages(display)
        python = ensure_environment(tests)
        return test(python, options.rest) if tests else demo(python, display)
    except Problem as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
