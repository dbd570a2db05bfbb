"""Simulated tissue: H&E-like slides of any size whose expression is known.

``architecture`` says what a simulated cancer code is built like, ``fields`` where each tissue lies; ``nuclei``,
``stain`` and ``render`` draw it, ``programmes`` and ``identities`` say what it expresses, ``tissue`` brings both
together, ``slide`` and ``corpus`` write files.  ``cohort`` plans a pan-cancer cohort, ``pan_cancer`` writes it, with
``hest_tables`` and ``hest_patches`` beside the sections and, if asked, ``broken`` ones.
Everything is a function of a seed and the position, so no part of a slide needs another.
"""

from molf_engine.data.simulator.architecture import ARCHITECTURES, DEMO_KINDS, TISSUES
from molf_engine.data.simulator.cohort import PlannedSection, plan_cohort, split_cohort
from molf_engine.data.simulator.corpus import (
    demo_tissue,
    measure,
    spot_grid,
    write_demo_corpus,
    write_demo_slide,
    write_hest_folder,
)
from molf_engine.data.simulator.pan_cancer import PanCancer, write_pan_cancer
from molf_engine.data.simulator.programmes import Programmes, programmes
from molf_engine.data.simulator.slide import SimulatedSlide, write_slide
from molf_engine.data.simulator.tissue import SimulatedTissue

__all__ = [
    "ARCHITECTURES",
    "DEMO_KINDS",
    "TISSUES",
    "PanCancer",
    "PlannedSection",
    "Programmes",
    "SimulatedSlide",
    "SimulatedTissue",
    "demo_tissue",
    "measure",
    "plan_cohort",
    "programmes",
    "split_cohort",
    "spot_grid",
    "write_demo_corpus",
    "write_demo_slide",
    "write_hest_folder",
    "write_pan_cancer",
    "write_slide",
]
