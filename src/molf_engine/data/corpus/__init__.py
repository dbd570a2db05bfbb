"""Prepared corpora: measured spots with the features of their patches, ready to train on.

``inputs`` finds what there is of each section, ``measure`` reads and encodes one (``images`` from ready-cut patches), ``writing``
stores it, and ``prepare`` does so for all, resuming after a kill; ``reading`` is the corpus that training and evaluation see, and
``source`` opens it or a folder.  ``layout`` says what lies where.
"""

from molf_engine.data.corpus.inputs import Source, find_sources
from molf_engine.data.corpus.layout import SCHEMA_VERSION, is_corpus
from molf_engine.data.corpus.measure import Recipe
from molf_engine.data.corpus.prepare import EncoderChoice, Report, prepare_corpus
from molf_engine.data.corpus.reading import Corpus, Failure
from molf_engine.data.corpus.source import list_sections, open_source

__all__ = [
    "SCHEMA_VERSION",
    "Corpus",
    "EncoderChoice",
    "Failure",
    "Recipe",
    "Report",
    "Source",
    "find_sources",
    "is_corpus",
    "list_sections",
    "open_source",
    "prepare_corpus",
]
