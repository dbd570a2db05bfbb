"""A prediction as other programs and people take it: AnnData, SpatialData, QuPath, tables, images, figures, a report.

Every file is written whole or not at all, and says where its values come from.
"""

from molf_engine.export.formats import FORMATS, Format, export, format_named, format_of, with_suffix
from molf_engine.export.shown import ScoreName, Shown

__all__ = ["FORMATS", "Format", "ScoreName", "Shown", "export", "format_named", "format_of", "with_suffix"]
