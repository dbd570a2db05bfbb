"""Gene expression from H&E slides with a mixture of latent flows (MoLF).

The engine runs without a screen: it imports neither napari nor Qt.  What a user calls from Python:

- :func:`molf_engine.prediction.predict_slide`: a slide and a trained bundle in, an AnnData out;
- :class:`molf_engine.bundle.Bundle`: a trained model on disk;
- :func:`molf_engine.slides.open_slide`: any slide file as one small protocol.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("napari-molf")
except PackageNotFoundError:
    __version__ = "0.0.0"

__all__ = ["__version__"]
