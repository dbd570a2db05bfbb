"""`molf-engine simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from molf_engine.errors import ConfigError


def simulate(
    *,
    output: Annotated[
        Path, Parameter(alias="-o", help="FOLDER for measured sections in HEST layout, or FILE.tif for one slide.")
    ],
    seed: Annotated[int, Parameter(help="Of the tissue.")] = 0,
    pan_cancer: Annotated[
        bool,
        Parameter(
            negative="",
            help="Draw ten cancer codes instead of three, with patients, targeted sections, two splits and a metadata "
            "table as HEST-1k has them. Interrupted, the same command goes on where it was.",
        ),
    ] = False,
    sections: Annotated[int | None, Parameter(help="With --pan-cancer: how many, 30 or more. [default: 200]")] = None,
    size_um: Annotated[
        float | None,
        Parameter(help="With --pan-cancer: side of a slide in um; 1500 hold about 100 spots. [default: 1500]"),
    ] = None,
    um_per_pixel: Annotated[
        float | None, Parameter(help="With --pan-cancer: um per pixel at level 0. [default: 1.0]")
    ] = None,
    patches: Annotated[
        bool,
        Parameter(
            negative="", help="With --pan-cancer: also patches/ID.h5, the image of every spot, as HEST-1k has it."
        ),
    ] = False,
    broken: Annotated[
        bool, Parameter(negative="", help="With --pan-cancer: also five damaged sections, in no split.")
    ] = False,
    overwrite: Annotated[bool, Parameter(negative="", help="Replace what is there.")] = False,
) -> None:
    """Draw simulated tissue whose expression is known: a training corpus, or one slide to try the program on."""
    from molf_engine.cli.console import progress_bar, say
    from molf_engine.data.simulator import PanCancer, write_demo_corpus, write_demo_slide, write_pan_cancer
    from molf_engine.files import atomic_path

    sizes = {"sections": sections, "size_um": size_um, "um_per_pixel": um_per_pixel}
    given = {name: value for name, value in sizes.items() if value is not None}
    if pan_cancer:
        settings = PanCancer(seed=seed, **given)  # type: ignore[arg-type]
        with progress_bar() as progress:
            ids = write_pan_cancer(
                output, settings, patches=patches, broken=broken, overwrite=overwrite, progress=progress
            )
        say(f"{output}: {len(ids)} sections, {ids[0]} to {ids[-1]}")
        return
    extra = [*given, *(name for name, asked in (("patches", patches), ("broken", broken)) if asked)]
    if extra:
        raise ConfigError(f"--{extra[0].replace('_', '-')} is for --pan-cancer. Add --pan-cancer, or leave it out.")
    with progress_bar() as progress, atomic_path(output, overwrite=overwrite) as beside:
        if output.suffix.lower() in (".tif", ".tiff"):
            write_demo_slide(beside, seed, progress)
            names = []
        else:
            names = write_demo_corpus(beside, seed, progress)
    say(f"{output}: {len(names)} sections, {', '.join(names)}" if names else f"{output}")
