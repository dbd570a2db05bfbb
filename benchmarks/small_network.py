"""A small convolutional network of H&E, trained without labels: VICReg (Bardes, Ponce and LeCun, ICLR 2022).

Two views of the same tissue shall have the same embedding (invariance), embeddings of different tissue shall differ
(variance) and their dimensions say different things (covariance).  The objective needs no large batch, so one core of
a processor is enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from molf_engine.encoders.stain import DENSITY, EOSIN, HAEMATOXYLIN

# Mean optical density, over red, green and blue, of a unit of haematoxylin and of eosin (Ruifrok and Johnston).
STAIN_DENSITY = (0.548, 0.391)


@dataclass(frozen=True)
class Settings:
    """How the network is trained.

    Attributes
    ----------
    steps, batch
        Optimiser steps, and pairs of views in each.
    view_px
        Side of a view; 64 px are 224 um.
    width
        Channels of the first layer; each stage doubles them.
    scale, shift_px, stain, blur_px
        Augmentations: largest change of scale (factor), of the centre, of the strength of either stain (factor), and
        the largest sd of the blur.
    peak_rate
        Highest learning rate.
    """

    steps: int = 300
    batch: int = 128
    view_px: int = 64
    width: int = 16
    scale: float = 1.25
    shift_px: float = 12.0
    stain: float = 1.15
    blur_px: float = 1.0
    peak_rate: float = 1.5e-3


@dataclass(frozen=True)
class Tissue:
    """One slide at 3.5 um per pixel.

    Attributes
    ----------
    maps : Tensor, (3, h, w)
        Haematoxylin, eosin, density, in units of the slide's stain strength.
    centres : Tensor, (N, 2)
        x, y of places on tissue, in pixels.
    jitter_px : float
        Half the distance of neighbouring centres: any place between them may be the centre of a view.
    """

    maps: Tensor
    centres: Tensor
    jitter_px: float


class SmallNetwork(nn.Module):
    """Four stages of convolutions, each of half the resolution and twice the channels of the one before."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [
                _layer(3, width, 5, 2),
                nn.Sequential(_layer(width, 2 * width, 3, 2), _layer(2 * width, 2 * width, 3, 1)),
                nn.Sequential(_layer(2 * width, 4 * width, 3, 2), _layer(4 * width, 4 * width, 3, 1)),
                nn.Sequential(_layer(4 * width, 8 * width, 3, 2), _layer(8 * width, 8 * width, 3, 1)),
            ]
        )

    def forward(self, maps: Tensor) -> list[Tensor]:
        """Answers ``(B, width * 2**k, n / 2**(k + 1), ...)`` of the stages k to stain maps ``(B, 3, n, n)``."""
        answers = []
        for stage in self.stages:
            maps = stage(maps)
            answers.append(maps)
        return answers


def _layer(inputs: int, outputs: int, side: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def draw_views(
    tissues: Sequence[Tissue], count: int, settings: Settings, draw: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Two views of each of ``count`` places of every slide, ``(T * count, 3, n, n)`` each, slide after slide."""
    first, second = [], []
    for tissue in tissues:
        chosen = tissue.centres[torch.randint(len(tissue.centres), (count,), generator=draw)]
        chosen = chosen + _uniform((count, 2), tissue.jitter_px, draw)
        first.append(augment(tissue.maps, chosen, settings, draw))
        second.append(augment(tissue.maps, chosen, settings, draw))
    return torch.cat(first), torch.cat(second)


def augment(maps: Tensor, centres: Tensor, settings: Settings, draw: torch.Generator) -> Tensor:
    """Views ``(N, 3, n, n)`` of a slide's maps ``(3, h, w)`` about centres ``(N, 2)``: moved, turned, scaled, restained, blurred."""
    views = cut(
        maps,
        centres + _uniform((len(centres), 2), settings.shift_px, draw),
        torch.exp(_uniform((len(centres),), math.log(settings.scale), draw)),
        settings.view_px,
    )
    return blurred(restained(turned(views, draw), settings.stain, draw), settings.blur_px, draw)


def cut(maps: Tensor, centres: Tensor, scales: Tensor, side: int) -> Tensor:
    """Squares ``(N, 3, side, side)`` of ``side * scale`` pixels of the maps ``(3, h, w)``; glass outside them."""
    steps = torch.arange(side) - (side - 1) / 2
    x = centres[:, 0, None] + scales[:, None] * steps
    y = centres[:, 1, None] + scales[:, None] * steps
    height, width = maps.shape[1:]
    shape = (len(centres), side, side)
    grid = torch.stack(
        [(2 * x / width - 1)[:, None, :].expand(shape), (2 * y / height - 1)[:, :, None].expand(shape)], dim=-1
    )
    squares = functional.grid_sample(maps[None], grid.reshape(1, -1, side, 2), align_corners=False)
    return squares[0].reshape(3, len(centres), side, side).transpose(0, 1).contiguous()


def turned(views: Tensor, draw: torch.Generator) -> Tensor:
    """Each view turned by quarters and mirrored, one of the eight ways."""
    ways = torch.randint(8, (len(views),), generator=draw)
    turned = views.clone()
    for way in range(8):
        some = torch.rot90(views[ways == way], way % 4, (2, 3))
        turned[ways == way] = some.flip(3) if way >= 4 else some
    return turned


def restained(views: Tensor, most: float, draw: torch.Generator) -> Tensor:
    """Haematoxylin and eosin of each view stronger or weaker, each by a factor of at most ``most``, and the density with them."""
    factors = torch.exp(_uniform((len(views), 2, 1, 1), math.log(most), draw))
    haematoxylin, eosin, density = views[:, HAEMATOXYLIN], views[:, EOSIN], views[:, DENSITY]
    more = [(factors[:, 0] - 1) * haematoxylin, (factors[:, 1] - 1) * eosin]
    density = density + STAIN_DENSITY[0] * more[0] + STAIN_DENSITY[1] * more[1]
    return torch.stack([haematoxylin + more[0], eosin + more[1], density.clamp(min=0)], dim=1)


def blurred(views: Tensor, most: float, draw: torch.Generator) -> Tensor:
    """Every second view, on average, blurred by a Gaussian of at most ``most`` pixels sd."""
    sd = most * torch.rand(len(views), generator=draw) * (torch.rand(len(views), generator=draw) < 0.5)
    taps = torch.arange(-2, 3)
    kernel = torch.exp(-(taps**2) / (2 * sd.clamp(min=0.05)[:, None] ** 2))
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(3, dim=0)
    count, _, height, width = views.shape
    maps = functional.pad(views.reshape(1, 3 * count, height, width), (2, 2, 2, 2), mode="reflect")
    maps = functional.conv2d(maps, kernel[:, None, :, None], groups=3 * count)
    return functional.conv2d(maps, kernel[:, None, None, :], groups=3 * count).reshape(count, 3, height, width)


def _uniform(shape: tuple[int, ...], most: float, draw: torch.Generator) -> Tensor:
    return (2 * torch.rand(shape, generator=draw) - 1) * most


def vicreg_loss(first: Tensor, second: Tensor, slides: int) -> Tensor:
    """VICReg of the embeddings ``(slides * N, D)`` of two views, with the weights of its authors (25, 25, 1).

    Variance and covariance are taken within a slide: to tell slides apart, by their scanner say, wins nothing.
    """
    invariance = functional.mse_loss(first, second)
    spread, together = [], []
    for embedding in (first, second):
        grouped = embedding.reshape(slides, -1, embedding.shape[1])
        centred = (grouped - grouped.mean(dim=1, keepdim=True)).reshape(embedding.shape)
        freedom = len(embedding) - slides
        covariance = centred.T @ centred / freedom
        variance = covariance.diagonal()
        spread.append(functional.relu(1 - torch.sqrt(variance + 1e-4)).mean() / 2)
        together.append(((covariance**2).sum() - (variance**2).sum()) / len(variance))
    return 25 * invariance + 25 * (spread[0] + spread[1]) + together[0] + together[1]


def learning_rate(step: int, settings: Settings) -> float:
    """Rise over the first twentieth of the steps, then half a cosine down to zero."""
    rise = max(settings.steps // 20, 1)
    if step < rise:
        return settings.peak_rate * (step + 1) / rise
    return settings.peak_rate * (1 + math.cos(math.pi * (step - rise) / max(settings.steps - rise, 1))) / 2


def train_network(
    tissues: Sequence[Tissue], settings: Settings, seed: int, report: Callable[[int, float], None] | None = None
) -> SmallNetwork:
    """Train a network on slides; the same seed gives the same network."""
    torch.manual_seed(seed)
    draw = torch.Generator().manual_seed(seed)
    network = SmallNetwork(settings.width).to(memory_format=torch.channels_last)
    last = 8 * settings.width
    expander = nn.Sequential(
        nn.Linear(last, 256),
        nn.BatchNorm1d(256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.BatchNorm1d(256),
        nn.ReLU(),
        nn.Linear(256, 256),
    )
    optimiser = torch.optim.AdamW([*network.parameters(), *expander.parameters()], weight_decay=1e-4)
    count = settings.batch // len(tissues)
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, settings)
        first, second = draw_views(tissues, count, settings, draw)
        both = torch.cat([first, second]).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            answers = network(both)[-1].mean(dim=(2, 3))
        embeddings = expander(answers.float())
        loss = vicreg_loss(*embeddings.chunk(2), len(tissues))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if report is not None:
            report(step, loss.item())
    return network.eval()


@torch.no_grad()
def network_features(
    network: SmallNetwork, maps: np.ndarray, windows: Sequence[float], stages: Sequence[int]
) -> np.ndarray:
    """Mean answers of some stages over nested squares, ``(S, F)`` float32, of maps ``(S, 3, n, n)``."""
    features = []
    for batch in torch.from_numpy(maps).split(128):
        answers = network(batch)
        features.append(
            torch.cat([_inside(answers[stage], share).mean(dim=(2, 3)) for share in windows for stage in stages], dim=1)
        )
    return torch.cat(features).numpy()


def _inside(answers: Tensor, share: float) -> Tensor:
    side = answers.shape[-1]
    # Rounded down: the smallest square of a coarse stage must not be empty.
    margin = int(side * (1 - share) / 2)
    return answers[..., margin : side - margin, margin : side - margin]
