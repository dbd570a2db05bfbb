"""Prepare a folder and die by SIGKILL on the way: child_prepare.py FOLDER OUTPUT POINT SECTION.

POINT `encoding` dies in the middle of a section's patches, `writing` when half its arrays are on disk; `lock` holds the lock until
its input ends.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from molf_engine.data.corpus import prepare as module
from molf_engine.data.corpus import writing
from molf_engine.data.corpus.lock import only_writer
from molf_engine.encoders import FeatureCache
from molf_engine.progress import Progress
from tests.molf_engine.data.hest_files import prepare


def main() -> None:
    """Prepare until the point of death."""
    folder, output, point, section = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    if point == "lock":
        with only_writer(output / ".lock"):
            sys.stdout.write("held\n")
            sys.stdout.flush()
            sys.stdin.read()
        return

    def watch(progress: Progress) -> None:
        if (
            point == "encoding"
            and progress.phase.startswith(section)
            and "encoding" in progress.phase
            and progress.done
        ):
            os.kill(os.getpid(), signal.SIGKILL)

    write_array, write_section, current, arrays = writing._write_array, module.write_section, [""], [0]

    def half(path: Path, values: object) -> None:
        write_array(path, values)  # type: ignore[arg-type]
        arrays[0] += current[0] == section
        if point == "writing" and arrays[0] == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    def remember(corpus: Path, measured: object, *rest: object) -> None:
        current[0] = measured.section.id  # type: ignore[attr-defined]
        write_section(corpus, measured, *rest)  # type: ignore[arg-type]

    writing._write_array, module.write_section = half, remember
    prepare(folder, output, cache=FeatureCache(), progress=watch)


if __name__ == "__main__":
    main()
