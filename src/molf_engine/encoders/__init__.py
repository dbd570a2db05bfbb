"""Encoders: the image of a patch in, a feature vector out; and the cache that keeps features between runs.

``protocol`` says what an encoder is; ``builtin`` is the one that comes with the software (``stain`` and ``texture``
are its parts); ``foundation`` opens pretrained ones; ``registry`` stores encoders; ``encode`` runs one over the
patches of a slide; ``cache`` keeps what was encoded; ``elsewhere`` reads features that other tools computed.
"""

from molf_engine.encoders.builtin import BuiltinEncoder, fit_builtin
from molf_engine.encoders.cache import CacheInfo, FeatureCache
from molf_engine.encoders.elsewhere import read_features
from molf_engine.encoders.encode import encode_patches
from molf_engine.encoders.foundation import open_encoder
from molf_engine.encoders.protocol import Encoder
from molf_engine.encoders.registry import load_encoder, save_encoder

__all__ = [
    "BuiltinEncoder",
    "CacheInfo",
    "Encoder",
    "FeatureCache",
    "encode_patches",
    "fit_builtin",
    "load_encoder",
    "open_encoder",
    "read_features",
    "save_encoder",
]
