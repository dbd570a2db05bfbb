"""The sample slide: simulated tissue, drawn once into the user's cache and then read as any other slide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.types import LayerData


def demo_slide_path() -> Path:
    """Where the simulated slide is kept; drawn on the first call, which takes some seconds."""
    from molf_engine.data.simulator import write_demo_slide
    from molf_engine.encoders.cache import default_folder

    path = default_folder().parent / "samples" / "simulated-slide.tif"
    if not path.is_file():
        write_demo_slide(path)
    return path


def demo_slide() -> list[LayerData]:
    """Layer data of the simulated slide, for File > Open Sample > MoLF."""
    from molf_engine.slides import open_slide
    from napari_molf._reader import show_scale_bar
    from napari_molf.core.slide_layer import slide_layer_data

    slide = open_slide(demo_slide_path())
    show_scale_bar()
    data, arguments, kind = slide_layer_data(slide, simulated=True)
    return [(data, {**arguments, "name": "Simulated slide"}, kind)]
