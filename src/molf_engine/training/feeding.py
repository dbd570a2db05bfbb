"""Training slides read when they are needed: what fits stays in memory, the rest is read ahead while the network works."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import overload

import torch

from molf_engine.training.slides import TrainingSlide

_AHEAD = 2


class SlideFeed(Sequence[TrainingSlide]):
    """Slides of a corpus as a sequence: each is read when it is asked for.

    Parameters
    ----------
    read : callable
        Index to slide, on the CPU.
    count : int
        How many slides there are.
    device : torch.device
        Where slides are handed out.
    keep_bytes : float
        Slides stay in memory until so much is full.  The first ones read stay: in a random order every slide is equally likely to
        be next, so forgetting the oldest would only cost time.
    """

    def __init__(
        self, read: Callable[[int], TrainingSlide], count: int, device: torch.device, keep_bytes: float = float("inf")
    ) -> None:
        self._read, self._count, self._device, self._keep_bytes = read, count, device, keep_bytes
        self._kept: dict[int, TrainingSlide] = {}
        self._used = 0
        self.waited = 0.0
        """Seconds that :func:`in_order` has waited for slides."""

    def __len__(self) -> int:
        """Count the slides."""
        return self._count

    @overload
    def __getitem__(self, index: int) -> TrainingSlide: ...
    @overload
    def __getitem__(self, index: slice) -> list[TrainingSlide]: ...
    def __getitem__(self, index: int | slice) -> TrainingSlide | list[TrainingSlide]:
        """Return a slide, read now unless it is kept."""
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(index)
        index %= self._count
        if index in self._kept:
            return self._kept[index]
        slide = self._read(index).to(self._device)
        if self._used + slide.nbytes <= self._keep_bytes:
            self._kept[index] = slide
            self._used += slide.nbytes
        return slide

    def has(self, index: int) -> bool:
        """Whether a slide is in memory."""
        return index in self._kept

    def to(self, device: torch.device) -> SlideFeed:
        """Return the same slides on another device."""
        return self if device == self._device else SlideFeed(self._read, self._count, device, self._keep_bytes)


def in_order(slides: Sequence[TrainingSlide], order: Iterable[int]) -> Iterator[TrainingSlide]:
    """Yield slides in an order; those of a :class:`SlideFeed` that are not in memory are read ahead in a thread."""
    indices = list(order)
    if not isinstance(slides, SlideFeed) or all(slides.has(index) for index in indices):
        yield from (slides[index] for index in indices)
        return
    pending: deque[Future[TrainingSlide]] = deque()
    # One reader: slides come from one disk, and the network needs the other cores.
    with ThreadPoolExecutor(1, thread_name_prefix="read-slide") as reader:
        try:
            for place in range(len(indices) + _AHEAD):
                if place < len(indices):
                    pending.append(reader.submit(slides.__getitem__, indices[place]))
                if place >= _AHEAD:
                    began = time.perf_counter()
                    slide = pending.popleft().result()
                    slides.waited += time.perf_counter() - began
                    yield slide
        finally:
            for future in pending:
                future.cancel()
