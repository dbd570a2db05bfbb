"""The child process behind :mod:`molf_engine.prediction.jobs`: one request on stdin, messages on stdout."""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import IO

import numpy as np

from molf_engine.bundle.latents import SlideLatents
from molf_engine.errors import MolfError
from molf_engine.prediction.jobs import Done, DrawRequest, Failed, Message, Partial, PredictRequest, Started
from molf_engine.progress import Progress
from molf_engine.slides import Patches

REPORT_SECONDS = 0.1
"""Reports closer together than this are dropped, unless they end a phase."""


def main() -> None:
    """Serve one request."""
    # Messages keep stdout's pipe to themselves; whatever a library prints goes to stderr.
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    request, output = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    reporter = _Reporter(channel)
    try:
        if isinstance(request, DrawRequest):
            _draw(request, output, reporter)
        else:
            _predict(request, output, reporter)
    except MolfError as error:
        reporter.send(Failed(str(error), True))
    except Exception as error:  # the last stop before the user: everything becomes a message
        reporter.send(Failed(f"{type(error).__name__}: {error}", False, traceback.format_exc()))
    else:
        reporter.send(Done(output))


class _Reporter:
    def __init__(self, channel: IO[bytes]) -> None:
        self._channel = channel
        self._phase = ""
        self._sent = 0.0
        self._started = False

    def send(self, message: Message) -> None:
        pickle.dump(message, self._channel, protocol=pickle.HIGHEST_PROTOCOL)
        self._channel.flush()

    def progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.phase != self._phase or progress.done == progress.total or now - self._sent >= REPORT_SECONDS:
            self._phase, self._sent = progress.phase, now
            self.send(progress)

    def partial(self, patches: Patches, index: np.ndarray, latents: SlideLatents) -> None:
        if not self._started:
            self._started = True
            self.send(Started(patches))
        self.send(Partial(index, latents))


def _predict(request: PredictRequest, output: Path, reporter: _Reporter) -> None:
    reporter.progress(Progress("Loading", 0, 0))
    from molf_engine.bundle import Bundle
    from molf_engine.encoders import FeatureCache
    from molf_engine.prediction.predict import predict_slide
    from molf_engine.prediction.storage import write_prediction
    from molf_engine.slides import open_slide, patches_at

    bundle = Bundle.load(request.bundle)
    with open_slide(request.slide, request.um_per_pixel) as slide:
        patches = None
        if request.positions is not None:
            patches = patches_at(slide, request.positions, bundle.config.patch.size_um, request.names)
        adata = predict_slide(
            slide,
            bundle,
            patches=patches,
            regions=request.regions or None,
            stride_um=request.stride_um,
            code=request.code,
            guidance=request.guidance,
            cache=FeatureCache(),
            progress=reporter.progress,
            on_partial=reporter.partial,
        )
    reporter.progress(Progress("Saving", 0, 0))
    write_prediction(adata, output, overwrite=True)


def _draw(request: DrawRequest, output: Path, reporter: _Reporter) -> None:
    reporter.progress(Progress("Loading", 0, 0))
    from molf_engine.bundle import Bundle
    from molf_engine.encoders import FeatureCache
    from molf_engine.errors import PredictionError
    from molf_engine.prediction.draws import draw_slide, write_draws
    from molf_engine.slides import fingerprint, open_slide, patches_at

    bundle = Bundle.load(request.bundle)
    with open_slide(request.slide, request.um_per_pixel) as slide:
        if fingerprint(slide) != request.fingerprint:
            raise PredictionError(f"{slide.path} is not the slide that was predicted any more. Predict it again.")
        draws = draw_slide(
            slide,
            bundle,
            patches_at(slide, request.positions, bundle.config.patch.size_um),
            code=request.code,
            guidance=request.guidance,
            draws=request.draws,
            seed=request.seed,
            cache=FeatureCache(),
            progress=reporter.progress,
        )
    reporter.progress(Progress("Saving", 0, 0))
    write_draws(draws, output)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
