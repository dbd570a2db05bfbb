"""One door for training and evaluation: a corpus or a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from molf_engine.data.corpus.layout import is_corpus
from molf_engine.data.corpus.reading import Corpus
from molf_engine.data.sections import Section, read_hest
from molf_engine.data.spots import FolderSpots, SpotSource
from molf_engine.encoders import FeatureCache
from molf_engine.errors import DataError

if TYPE_CHECKING:
    from molf_engine.encoders import Encoder


def list_sections(path: Path | str) -> list[Section]:
    """All sections of a corpus or folder.  Raises :class:`DataError` if it is neither."""
    return Corpus.open(path).sections() if is_corpus(path) else read_hest(path)


def open_source(
    path: Path | str,
    patch_um: float,
    *,
    encoder: Encoder | None = None,
    features: Path | None = None,
    name: str = "",
    cache: FeatureCache | None = None,
) -> SpotSource:
    """A corpus, recognised by its content, or else the folder as :class:`~molf_engine.data.spots.FolderSpots` reads it.

    Parameters are those of ``FolderSpots``.  A corpus has to have been prepared with these patches and, if one is named, this encoder.

    Raises
    ------
    DataError
        If the corpus was prepared otherwise, is damaged or unfinished; see also ``FolderSpots``.
    """
    if not is_corpus(path):
        return FolderSpots(path, patch_um, encoder=encoder, features=features, name=name, cache=cache)
    corpus = Corpus.open(path)
    wanted = encoder.name if encoder is not None else name
    if wanted and wanted != corpus.encoder:
        raise DataError(
            f"{path} holds features of the encoder {corpus.encoder}, and {wanted} is asked for. Prepare it again with --encoder."
        )
    if corpus.patch_um != patch_um:
        raise DataError(
            f"{path} was prepared with patches of {corpus.patch_um:g} um, and {patch_um:g} um are asked for. Prepare it again with "
            "--patch-um."
        )
    return corpus
