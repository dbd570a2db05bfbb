"""Measured spots from whatever file they come in: Space Ranger, AnnData, HEST, tables of the first ST arrays.

Each reader fills one :class:`MeasuredSpots`, whose counts go through the checks and onto the panel as those of training do.
"""

from molf_engine.data.measured.opening import measured_beside, read_measured
from molf_engine.data.measured.placing import notes_on_slide
from molf_engine.data.measured.spots import MeasuredSpots

__all__ = ["MeasuredSpots", "measured_beside", "notes_on_slide", "read_measured"]
