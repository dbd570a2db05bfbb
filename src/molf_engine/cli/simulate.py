"""`molf-engine simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def simulate(
    *,
    output: Annotated[
        Path, Parameter(alias="-o", help="FOLDER for measured sections in HEST layout, or FILE.tif for one slide.")
    ],
    seed: Annotated[int, Parameter(help="Of the tissue.")] = 0,
    overwrite: Annotated[bool, Parameter(negative="", help="Replace what is there.")] = False,
) -> None:
    """Draw simulated tissue whose expression is known: a training corpus, or one slide to try the program on."""
    from molf_engine.cli.console import progress_bar, say
    from molf_engine.data.simulator import write_demo_corpus, write_demo_slide
    from molf_engine.files import atomic_path

    with progress_bar() as progress, atomic_path(output, overwrite=overwrite) as beside:
        if output.suffix.lower() in (".tif", ".tiff"):
            write_demo_slide(beside, seed, progress)
            sections = []
        else:
            sections = write_demo_corpus(beside, seed, progress)
    say(f"{output}: {len(sections)} sections, {', '.join(sections)}" if sections else f"{output}")
