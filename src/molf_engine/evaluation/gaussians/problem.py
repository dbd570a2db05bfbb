"""The distribution, what a model is told of it, and the answers that are known exactly.

The paper (arXiv 2602.02282, section 4.1 and A.3) names the target, the networks and the score; the released toy network takes a
condition of two numbers.  Where the peaks lie, how wide they are and how the condition is made is chosen here without knowing what the
paper took, so that its figures can be read beside ours but not against them:

- radius 4 and a peak's sd of 0.5, the eight Gaussians of most of the literature on flows since FFJORD (arXiv 1810.01367);
- the condition is the value itself seen through Gaussian noise, as a patch shows its expression: near enough to say which peaks
  are possible, too blurred to say where in them.  A noise of 0.6 puts the score of the exact conditional mean at 0.10.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

PEAKS = 8


class Draw(NamedTuple):
    """Values (N, 2), what is seen of them (N, 2), and the peak that each came from (N,)."""

    value: Tensor
    condition: Tensor
    peak: Tensor


class Posterior(NamedTuple):
    """What a condition says of its value: a mixture of Gaussians of one common ``sd``; weights (N, 8), means (N, 8, 2)."""

    weights: Tensor
    means: Tensor
    sd: float

    def mean(self) -> Tensor:
        """Mean of the mixture, (N, 2)."""
        return (self.weights[..., None] * self.means).sum(dim=1)


@dataclass(frozen=True)
class EightGaussians:
    """Eight equal peaks on a circle around 0, each value seen through Gaussian noise.

    Parameters
    ----------
    radius : float
        Of the circle.
    sd : float
        Of a peak, in each dimension.
    noise : float
        Standard deviation of condition minus value, in each dimension.
    """

    radius: float = 4.0
    sd: float = 0.5
    noise: float = 0.6

    def centres(self) -> Tensor:
        """Centres of the peaks, (8, 2)."""
        angle = torch.arange(PEAKS) * (2 * math.pi / PEAKS)
        return self.radius * torch.stack([angle.cos(), angle.sin()], dim=1)

    def draw(self, count: int, generator: torch.Generator) -> Draw:
        """Draw ``count`` values with their conditions."""
        peak = torch.randint(PEAKS, (count,), generator=generator)
        value = self.centres()[peak] + self.sd * torch.randn((count, 2), generator=generator)
        condition = value + self.noise * torch.randn((count, 2), generator=generator)
        return Draw(value, condition, peak)

    def posterior(self, condition: Tensor) -> Posterior:
        """Distribution of the value given the condition, (N, 2).

        Given its peak, a value and its condition are jointly Gaussian; how probable a peak is follows from how well it explains
        the condition.
        """
        seen = self.sd**2 + self.noise**2
        offset = condition[:, None] - self.centres()
        weights = (-offset.square().sum(dim=2) / (2 * seen)).softmax(dim=1)
        return Posterior(weights, self.centres() + self.sd**2 / seen * offset, self.sd * self.noise / math.sqrt(seen))

    def conditional_draw(self, condition: Tensor, generator: torch.Generator) -> Tensor:
        """Draw one value for each condition, (N, 2)."""
        weights, means, sd = self.posterior(condition)
        peak = weights.multinomial(1, generator=generator)[:, 0]
        return means[torch.arange(len(peak)), peak] + sd * torch.randn(condition.shape, generator=generator)

    def velocity(self, z: Tensor, t: float, condition: Tensor) -> Tensor:
        """Velocity that flow matching would learn without error: E[value - z0 | z, condition], (N, 2).

        On the straight path z = (1 - t) z0 + t value, z is the value seen a second time, scaled by t and with noise 1 - t: the
        posterior narrows once more, peak by peak.

        Parameters
        ----------
        z, condition : Tensor
            (N, 2).
        t : float
            From 0 up to, not including, 1.
        """
        weights, means, sd = self.posterior(condition)
        spread = (1 - t) ** 2 + (t * sd) ** 2
        offset = z[:, None] - t * means
        narrowed = (weights.log() - offset.square().sum(dim=2) / (2 * spread)).softmax(dim=1)
        mean = (narrowed[..., None] * (means + t * sd**2 / spread * offset)).sum(dim=1)
        return (mean - z) / (1 - t)
