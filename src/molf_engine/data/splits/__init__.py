"""Which sections play which role, how to choose them by patient, and whether they are apart.

``split``: what a split is; ``files`` and ``published``: reading one; ``hest_bench``: the folds of HEST-bench; ``folds``: patient
folds; ``named``: any of these on the data at hand; ``origin``: what metadata say of where a section comes from, ``kinship``: the
rules that tie two, ``audit``: what they find.
"""

from molf_engine.data.splits.audit import Audit, audit
from molf_engine.data.splits.files import read_split, read_whole_split, split_codes
from molf_engine.data.splits.folds import leave_one_patient_out, patient_folds
from molf_engine.data.splits.hest_bench import read_hest_bench
from molf_engine.data.splits.named import named_splits
from molf_engine.data.splits.origin import read_origins
from molf_engine.data.splits.published import PUBLISHED, published_codes, published_split
from molf_engine.data.splits.split import Split

__all__ = [
    "PUBLISHED",
    "Audit",
    "Split",
    "audit",
    "leave_one_patient_out",
    "named_splits",
    "patient_folds",
    "published_codes",
    "published_split",
    "read_hest_bench",
    "read_origins",
    "read_split",
    "read_whole_split",
    "split_codes",
]
