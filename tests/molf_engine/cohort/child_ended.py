"""Predict slides and be ended by a signal in the middle of the last: child_ended.py OUTPUT SIGNAL WORKERS SLIDE..."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from molf_engine.cohort.processes import Working, predict_here, predict_in_processes
from tests.molf_engine.cohort.helpers import cohort


def main() -> None:
    """Predict until the point of death."""
    output, number, workers, slides = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), map(Path, sys.argv[4:])
    made = cohort(slides, output)
    last = made.plan.todo[-1].name

    def report(event: object) -> None:
        if isinstance(event, Working) and event.name == last and event.progress.phase == "Encoding patches":
            os.kill(os.getpid(), number)

    made.run(report, partial(predict_in_processes, workers=workers) if workers > 1 else predict_here)


if __name__ == "__main__":
    main()
