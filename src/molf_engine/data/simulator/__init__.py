"""Simulated tissue: H&E-like slides of any size whose expression is known.

``architecture`` says what a simulated cancer code is built like, ``fields`` where each tissue lies; ``nuclei``,
``stain`` and ``render`` draw it, ``programmes`` says what it expresses, ``tissue`` brings both together, ``slide`` and
``corpus`` write files.  Everything is a function of a seed and the position, so no part of a slide needs another.
"""

from molf_engine.data.simulator.architecture import ARCHITECTURES, TISSUES
from molf_engine.data.simulator.corpus import (
    demo_tissue,
    measure,
    spot_grid,
    write_demo_corpus,
    write_demo_slide,
    write_hest_folder,
)
from molf_engine.data.simulator.programmes import Programmes, programmes
from molf_engine.data.simulator.slide import SimulatedSlide, write_slide
from molf_engine.data.simulator.tissue import SimulatedTissue

__all__ = [
    "ARCHITECTURES",
    "TISSUES",
    "Programmes",
    "SimulatedSlide",
    "SimulatedTissue",
    "demo_tissue",
    "measure",
    "programmes",
    "spot_grid",
    "write_demo_corpus",
    "write_demo_slide",
    "write_hest_folder",
    "write_slide",
]
