"""Context of each patch (paper, section 3): its image, its neighbours' images, and the cancer code.

The context depends neither on the latent nor on time: it is computed once per slide and branch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from molf_engine.nn.dropout import Dropout
from molf_engine.nn.layers import EncoderLayer
from molf_engine.nn.position import position_table


class Context(nn.Module):
    """One encoder layer over the patches' features, then the cancer code.

    The published cross-attention to the one token of the cancer code adds the same vector to every patch; it is learned here as
    that vector, ``code``, one row per cancer code.

    Parameters
    ----------
    features : int
        D, width of the image features.
    codes : int
        K, number of cancer codes.
    heads, feedforward, dropout
        Of the encoder layer.
    position : str
        `grid-2d`, `row-order` or `none`.
    null : str
        What the unconditional branch lacks: `patch-context` (the context vector after the layer) or `slide-features` (the image
        features before it, as published).
    unknown : int, optional
        Cancer code of the unconditional branch, where that lacks the code as well as the image (the paper's text); none: it keeps
        the slide's own code (as released).
    """

    def __init__(
        self,
        features: int,
        codes: int,
        heads: int,
        feedforward: int,
        dropout: float = 0.1,
        position: str = "grid-2d",
        null: str = "patch-context",
        unknown: int | None = None,
    ) -> None:
        super().__init__()
        if null not in ("patch-context", "slide-features"):
            raise ValueError(f"unknown form of the null condition {null!r}")
        self.position = position
        self.null_form = null
        self.unknown = unknown
        self.null = nn.Parameter(torch.randn(features) * 0.02)
        self.code = nn.Embedding(codes, features)
        nn.init.normal_(self.code.weight, std=0.02)
        self.drop = Dropout(dropout)
        self.layer = EncoderLayer(features, heads, feedforward, dropout)
        self.norm = nn.LayerNorm(features)

    def forward(
        self,
        features: Tensor,
        positions: Tensor,
        code: int | Tensor,
        hidden: Tensor | None = None,
        lengths: Sequence[int] | None = None,
    ) -> Tensor:
        """Context of the conditional branch.

        Parameters
        ----------
        features : Tensor
            Image features, (P, D).
        positions : Tensor
            Patch centres in um, (P, 2).
        code : int or Tensor
            Index of the cancer code, or one for each patch, (P,).
        hidden : Tensor, optional
            (P,) bool: patches whose image is withheld (guidance dropout).  With `slide-features` it holds for all patches of a slide
            or for none.
        lengths : sequence of int, optional
            Patches of each slide, where there are several.

        Returns
        -------
        Tensor
            (P, D).
        """
        before = hidden is not None and self.null_form == "slide-features"
        if hidden is not None and before:
            features = torch.where(hidden[:, None], self.null, features)
        local = self.layer(self.drop(self._placed(features, positions, lengths)), lengths=lengths)
        if hidden is not None and not before:
            local = torch.where(hidden[:, None], self.null, local)
        if hidden is not None and self.unknown is not None:
            code = torch.where(hidden, self.unknown, code)
        return self.norm(local + self.code(torch.as_tensor(code, device=local.device)))

    def unconditional(self, positions: Tensor, code: int) -> Tensor:
        """Context of the unconditional branch: the image is unknown; the cancer code is not, unless ``unknown`` is set.

        Returns
        -------
        Tensor
            (1, D), the same for every patch, with `patch-context`; (P, D) with `slide-features`.
        """
        code = code if self.unknown is None else self.unknown
        if self.null_form == "patch-context":
            return self.norm(self.null + self.code.weight[code])[None]
        features = self.null.expand(positions.shape[0], -1)
        local = self.layer(self.drop(self._placed(features, positions)))
        return self.norm(local + self.code(torch.as_tensor(code, device=local.device)))

    def _placed(self, features: Tensor, positions: Tensor, lengths: Sequence[int] | None = None) -> Tensor:
        table = position_table(self.position, positions, features.shape[1], lengths)
        return features if table is None else features + table
