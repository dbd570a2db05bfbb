"""Foundation encoders: large vision transformers trained on pathology images, and any DINOv2-like folder.

``table`` lists the known ones with their scale, licence and access; ``places`` finds weights on this machine, or
downloads them once their licence is accepted; ``folder`` describes a model from its own ``config.json``; ``weights``
reads tensors; ``networks`` builds the network with timm or transformers; ``encoder`` is the encoder itself and
``opening`` makes one.

None of the weights comes with this software: most may not be passed on.
"""

from molf_engine.encoders.foundation.encoder import FoundationEncoder
from molf_engine.encoders.foundation.opening import open_encoder
from molf_engine.encoders.foundation.places import folder_on_this_machine, own_folders
from molf_engine.encoders.foundation.table import KNOWN, FoundationSpec

__all__ = ["KNOWN", "FoundationEncoder", "FoundationSpec", "folder_on_this_machine", "open_encoder", "own_folders"]
