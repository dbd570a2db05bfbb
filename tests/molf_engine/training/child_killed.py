"""Train the tiny bundle and die by SIGKILL on the way: child_killed.py CORPUS OUTPUT PHASE DONE.

PHASE `saving` dies while the state of stage 2 is being written, half of it on disk.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch

from molf_engine.progress import Progress
from tests.molf_engine.conftest import tiny_settings, train_tiny


def die() -> None:
    """Leave no chance to clean up."""
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Train until the point of death."""
    corpus, output, phase, done = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])

    def watch(progress: Progress) -> None:
        if progress.phase == phase and progress.done >= done:
            die()

    if phase == "saving":
        save = torch.save

        def half(values: dict[str, object], path: Path) -> None:
            save(values, path)
            if path.name.startswith(".flow-"):
                os.truncate(path, path.stat().st_size // 2)
                die()

        torch.save = half
    train_tiny(tiny_settings(corpus), output, progress=watch)


if __name__ == "__main__":
    main()
