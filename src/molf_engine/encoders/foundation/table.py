"""The known foundation encoders: what each expects to see, what it gives back, and under which terms.

Sources.  Terms, and for UNI the ``config.json`` too: the models' own pages on huggingface.co, as far as public copies of
them could be read in November 2026; ``source`` of each row says what is from elsewhere.  Arguments for timm were checked in
one more way: the number of parameters that timm builds from them equals the published one, or the size of the file on the
hub (UNI 303 M, UNI2-h 681 M, H-optimus 1,135 M, H0-mini 85.7 M, Virchow2 631.2 M, Prov-GigaPath 1,135 M).

Every row is shown 224 px at 0.5 um per pixel, a field of 112 um: the scale of HEST-1k and of the paper, for all alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

Colour = tuple[float, float, float]
Library = Literal["timm", "transformers"]
Output = Literal["cls", "cls+mean", "pooled"]

IMAGENET: tuple[Colour, Colour] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_BIOPTIMUS: tuple[Colour, Colour] = ((0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517))
_HALF: tuple[Colour, Colour] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_BY_HAND = "a Hugging Face account with the address of an institution, an agreement on the model's page, and approval"


@dataclass(frozen=True)
class FoundationSpec:
    """How one foundation encoder is built, what it is shown and what it gives.

    Attributes
    ----------
    id : str
        Its name here.
    hub : str
        Repository on huggingface.co; empty for a folder of the user's own.
    library : str
        `timm` or `transformers`: which one builds the network.
    width : int
        D, the length of a feature vector.
    licence, access : str
        Of the weights; what has to be done to get them.
    gated : bool
        Whether the hub asks for an account and an agreement.
    gigabytes : float
        Size of the download.
    px : int
        Side of the image given to the network.
    um_per_pixel : float
        Scale of that image.
    mean, sd : tuple of float
        Of each channel, on a scale from 0 to 1; the image is (value / 255 - mean) / sd.
    output : str
        `cls`: the class token; `cls+mean`: it, and after it the mean of the patch tokens; `pooled`: what the network
        itself returns.
    prefix_tokens : int
        Tokens before those of the patches: the class token and the registers.
    architecture, arguments
        What timm is called with.
    packed_swiglu : bool
        The network has SwiGLU layers, whose two classes cannot be written in a ``config.json``.
    source : str
        What could not be read on the model's own card, and where it is from instead; empty: nothing.
    """

    id: str
    hub: str
    library: Library
    width: int
    licence: str = "as its files say"
    access: str = "already on this machine"
    gated: bool = False
    gigabytes: float = 0.0
    px: int = 224
    um_per_pixel: float = 0.5
    mean: Colour = IMAGENET[0]
    sd: Colour = IMAGENET[1]
    output: Output = "cls"
    prefix_tokens: int = 1
    architecture: str = ""
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    packed_swiglu: bool = False
    source: str = ""

    @property
    def field_um(self) -> float:
        """Side of the square of tissue shown, in um."""
        return self.px * self.um_per_pixel

    @property
    def page(self) -> str:
        """Address of the model's page."""
        return f"https://huggingface.co/{self.hub}"


def _arguments(**values: Any) -> Mapping[str, Any]:
    return MappingProxyType({"num_classes": 0, "img_size": 224, "init_values": 1e-5, **values})


_ROWS = (
    FoundationSpec(
        id="uni",
        hub="MahmoodLab/UNI",
        library="timm",
        width=1024,
        licence="CC BY-NC-ND 4.0 (academic research)",
        access=_BY_HAND,
        gated=True,
        gigabytes=1.2,
        architecture="vit_large_patch16_224",
        arguments=_arguments(dynamic_img_size=True),
    ),
    FoundationSpec(
        id="uni2-h",
        hub="MahmoodLab/UNI2-h",
        library="timm",
        width=1536,
        licence="CC BY-NC-ND 4.0 (academic research)",
        access=_BY_HAND,
        gated=True,
        gigabytes=2.7,
        prefix_tokens=9,
        architecture="vit_giant_patch14_224",
        arguments=_arguments(
            patch_size=14,
            depth=24,
            num_heads=24,
            embed_dim=1536,
            mlp_ratio=5.33334,
            no_embed_class=True,
            reg_tokens=8,
            dynamic_img_size=True,
        ),
        packed_swiglu=True,
        source="arguments and normalisation from projects that quote the card",
    ),
    FoundationSpec(
        id="h-optimus-0",
        hub="bioptimus/H-optimus-0",
        library="timm",
        width=1536,
        licence="Apache 2.0",
        access="an account and an agreement on the model's page, granted at once",
        gated=True,
        gigabytes=4.5,
        mean=_BIOPTIMUS[0],
        sd=_BIOPTIMUS[1],
        prefix_tokens=5,
        architecture="vit_giant_patch14_reg4_dinov2",
        arguments=_arguments(global_pool="token", dynamic_img_size=False),
        source="licence and size read on its page; the rest, and that access is gated, from other projects",
    ),
    FoundationSpec(
        id="h-optimus-1",
        hub="bioptimus/H-optimus-1",
        library="timm",
        width=1536,
        licence="CC BY-NC-ND 4.0 (academic research)",
        access=_BY_HAND,
        gated=True,
        gigabytes=4.5,
        mean=_BIOPTIMUS[0],
        sd=_BIOPTIMUS[1],
        prefix_tokens=5,
        architecture="vit_giant_patch14_reg4_dinov2",
        arguments=_arguments(global_pool="token", dynamic_img_size=False),
        source="card not read: licence and arguments from LazySlide's list of models, architecture as H-optimus-0",
    ),
    FoundationSpec(
        id="h0-mini",
        hub="bioptimus/H0-mini",
        library="timm",
        width=1536,
        licence="CC BY-NC-ND 4.0 (academic research)",
        access=_BY_HAND,
        gated=True,
        gigabytes=0.34,
        mean=_BIOPTIMUS[0],
        sd=_BIOPTIMUS[1],
        output="cls+mean",
        prefix_tokens=5,
        architecture="vit_base_patch14_reg4_dinov2",
        arguments=_arguments(mlp_ratio=5.33334, global_pool=""),
        packed_swiglu=True,
        source="card not read: licence, normalisation and output from LazySlide's list of models",
    ),
    FoundationSpec(
        id="virchow2",
        hub="paige-ai/Virchow2",
        library="timm",
        width=2560,
        licence="CC BY-NC-ND 4.0 (academic research)",
        access=_BY_HAND,
        gated=True,
        gigabytes=2.5,
        output="cls+mean",
        prefix_tokens=5,
        architecture="vit_huge_patch14_224",
        arguments=_arguments(mlp_ratio=5.3375, reg_tokens=4, global_pool="", dynamic_img_size=True),
        packed_swiglu=True,
        source="licence read on its page; arguments, normalisation and output from projects that quote the card",
    ),
    FoundationSpec(
        id="prov-gigapath",
        hub="prov-gigapath/prov-gigapath",
        library="timm",
        width=1536,
        licence="Apache 2.0 (research use)",
        access="a Hugging Face account and an agreement on the model's page",
        gated=True,
        gigabytes=4.5,
        architecture="vit_giant_patch14_dinov2",
        arguments=_arguments(
            patch_size=16, embed_dim=1536, depth=40, num_heads=24, mlp_ratio=5.33334, global_pool="token"
        ),
        source="licence and access from the page of its sister prov-gigapath-flash; arguments from projects that quote its config.json",
    ),
    FoundationSpec(
        id="phikon-v2",
        hub="owkin/phikon-v2",
        library="transformers",
        width=1024,
        licence="Owkin non-commercial licence",
        access="open",
        gigabytes=1.2,
        source="licence and size read on its page; output from LazySlide, mean and sd taken to be those of ImageNet",
    ),
    FoundationSpec(
        id="midnight-12k",
        hub="kaiko-ai/midnight",
        library="transformers",
        width=3072,
        licence="MIT",
        access="open",
        gigabytes=4.5,
        mean=_HALF[0],
        sd=_HALF[1],
        output="cls+mean",
        source="card not read: input, output and licence from LazySlide's list of models",
    ),
)

KNOWN: Mapping[str, FoundationSpec] = MappingProxyType({row.id: row for row in _ROWS})
"""By name."""
