"""What the dock remembers of a session and takes up again in the next: model, cancer type, region, look of the maps, folded sections."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_molf.desk.settings import CODES, FOLDED, MODEL, OPACITY, REGION, RELATIVE, SMOOTH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molf_engine.bundle import Bundle
    from napari_molf.desk.preferences import Preferences
    from napari_molf.desk.sections import Section
    from napari_molf.desk.settings import Settings
    from napari_molf.predict.settings_form import SettingsForm
    from napari_molf.show.panel import ShowPanel


class Memory:
    """Carries choices between the controls of the dock and the settings.

    Parameters
    ----------
    settings
        Where they are kept.
    form
        Model, cancer type, region.
    show_panel
        Opacity, expression or relative, smooth or square.
    sections
        What folds, by name.
    preferences
        Whether to go on as in the last session, and with what to begin otherwise.
    """

    def __init__(
        self,
        settings: Settings,
        form: SettingsForm,
        show_panel: ShowPanel,
        sections: Mapping[str, Section],
        preferences: Preferences,
    ) -> None:
        self._settings = settings
        self._form = form
        self._panel = show_panel
        self._sections = sections
        self._preferences = preferences
        self._set_opacity(preferences.opacity)
        if preferences.remember:
            self._take_up()
        form.region.changed.connect(self._on_region)
        form.model_changed.connect(self._on_model)
        # By hand alone: the form itself changes both when a slide comes.
        form.code.native.activated.connect(self._on_code)
        form.model.native.activated.connect(self._on_model_taken)
        show_panel.opacity_changed.connect(self._on_opacity)
        show_panel.relative_changed.connect(self._on_relative)
        show_panel.display.smooth_changed.connect(self._on_smooth)
        for section in sections.values():
            section.heading.toggled.connect(self._on_folded)

    @property
    def model(self) -> Path | None:
        """Folder of the model that was chosen last."""
        folder = self._settings.get(MODEL) if self._preferences.remember else ""
        return Path(folder) if folder else None

    def in_order(self, bundles: Sequence[Bundle]) -> list[Bundle]:
        """Models with the one that was chosen last, or is preferred, at the head: it is offered wherever it fits the slide."""
        return sorted(bundles, key=self._is_another)

    def take_model(self, bundle: Bundle) -> None:
        """Remember a model that was chosen by hand."""
        self._settings.set(MODEL, str(bundle.path))

    def _is_another(self, bundle: Bundle) -> bool:
        return bundle.path != self.model if self.model is not None else bundle.name != self._preferences.model

    def _set_opacity(self, opacity: float) -> None:
        self._panel.opacity.setValue(round(100 * min(1.0, max(0.0, opacity))))

    def _take_up(self) -> None:
        settings, panel = self._settings, self._panel
        if settings.knows(OPACITY):
            self._set_opacity(settings.get(OPACITY))
        if settings.get(RELATIVE):
            panel.relative.setChecked(True)
        if settings.get(SMOOTH):
            panel.display.smooth.setChecked(True)
        # Shapes are gone with their session.
        if settings.get(REGION) == "view":
            self._form.region.value = "view"
        folded = settings.get(FOLDED)
        for section in self._sections.values():
            title = section.heading.text()
            if isinstance(folded.get(title), bool):
                section.fold(folded[title])

    def _on_model(self, bundle: Bundle | None) -> None:
        if bundle is None or not self._preferences.remember:
            return
        code = self._settings.get(CODES).get(bundle.name)
        if code in self._form.code.choices:
            self._form.code.value = code

    def _on_model_taken(self, index: int) -> None:
        if self._form.bundle is not None:
            self.take_model(self._form.bundle)

    def _on_code(self, index: int) -> None:
        bundle, code = self._form.bundle, self._form.code.value
        if bundle is not None and code:
            codes = self._settings.get(CODES)
            self._settings.set(CODES, {**codes, bundle.name: str(code)})

    def _on_region(self, region: str) -> None:
        self._settings.set(REGION, str(region))

    def _on_opacity(self, opacity: float) -> None:
        self._settings.set(OPACITY, float(opacity))

    def _on_relative(self, relative: bool) -> None:
        self._settings.set(RELATIVE, bool(relative))

    def _on_smooth(self, smooth: bool) -> None:
        self._settings.set(SMOOTH, bool(smooth))

    def _on_folded(self, unfolded: bool) -> None:
        self._settings.set(FOLDED, {section.heading.text(): section.folded for section in self._sections.values()})
