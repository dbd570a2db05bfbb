"""How the dock looks: sections that fold, and a style made of the theme's own colours."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

PRIMARY = "molf_primary"
"""Object name of the one button that is blue."""


class Section(QWidget):
    """A heading that folds what is under it.

    Parameters
    ----------
    title
        The heading.
    content
        What folds.
    """

    def __init__(self, title: str, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.content = content
        self.heading = QToolButton()
        self.heading.setObjectName("molf_heading")
        self.heading.setText(title)
        self.heading.setCheckable(True)
        self.heading.setChecked(True)
        self.heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.heading.setArrowType(Qt.ArrowType.DownArrow)
        self.heading.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.heading.setAccessibleName(f"{title} section")
        self.heading.setToolTip(f"Fold or unfold {title.lower()}")
        self.heading.toggled.connect(self._on_toggled)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.heading)
        layout.addWidget(content)

    @property
    def folded(self) -> bool:
        """Whether only the heading is to be seen."""
        return not self.heading.isChecked()

    def fold(self, folded: bool) -> None:
        """Fold or unfold."""
        self.heading.setChecked(not folded)

    def _on_toggled(self, unfolded: bool) -> None:
        self.heading.setArrowType(Qt.ArrowType.DownArrow if unfolded else Qt.ArrowType.RightArrow)
        self.content.setVisible(unfolded)


def put_in_tab_order(sections: Iterable[Section]) -> None:
    """Let Tab go through the sections as the eye does, each heading before what it folds."""
    stops: list[QWidget] = []
    for section in sections:
        # Lists that drop down are windows of their own.
        inside = [
            part
            for part in section.content.findChildren(QWidget)
            if part.focusPolicy() & Qt.FocusPolicy.TabFocus and part.window() is section.window()
        ]
        stops += [section.heading, *inside]
    for first, second in pairwise(stops):
        QWidget.setTabOrder(first, second)


def dock_style(theme_id: str) -> str:
    """Qt style sheet of the dock in a napari theme: every colour is the theme's."""
    from napari.utils.theme import get_theme

    theme = get_theme(theme_id)
    current, text, highlight = (getattr(theme, key).as_hex() for key in ("current", "text", "highlight"))
    primary, warning, foreground = (getattr(theme, key).as_hex() for key in ("primary", "warning", "foreground"))
    return f"""
    QPushButton#{PRIMARY} {{ background-color: {current}; color: {text}; font-weight: bold; padding: 7px; border-radius: 3px; }}
    QPushButton#{PRIMARY}:hover {{ border: 1px solid {text}; }}
    QPushButton#{PRIMARY}:disabled {{ background-color: {primary}; font-weight: normal; }}
    QToolButton#molf_heading {{ background-color: {foreground}; font-weight: bold; padding: 4px 6px;
        border-radius: 2px; text-align: left; }}
    QToolButton#molf_heading:hover {{ background-color: {highlight}; }}
    QToolButton#molf_help {{ background-color: {primary}; border-radius: 9px; font-weight: bold;
        min-width: 18px; max-width: 18px; min-height: 18px; max-height: 18px; padding: 0px; }}
    QToolButton#molf_small {{ background-color: {primary}; border-radius: 2px; padding: 0px;
        min-width: 22px; max-width: 22px; min-height: 22px; max-height: 22px; }}
    QToolButton#molf_small:hover {{ background-color: {highlight}; }}
    QLabel#molf_banner, QLabel#molf_error {{ border-left: 3px solid {warning}; padding: 3px 6px;
        background-color: {foreground}; }}
    QFrame#molf_hint {{ border-left: 3px solid {current}; background-color: {foreground}; }}
    QFrame#molf_hint QLabel {{ background-color: transparent; }}
    QComboBox {{ padding: 3px 2px 3px 6px; }}
    QComboBox::drop-down {{ width: 20px; }}
    QGroupBox {{ border: 0px; margin: 0px; padding: 0px; }}
    QProgressBar {{ min-height: 6px; max-height: 6px; border-radius: 3px; background-color: {primary}; }}
    QProgressBar::chunk {{ background-color: {current}; border-radius: 3px; }}
    QPushButton:focus, QToolButton:focus, QComboBox:focus, QLineEdit:focus, QAbstractSpinBox:focus {{ border: 1px solid {text}; }}
    QCheckBox:focus, QRadioButton:focus, QSlider:focus {{ border: 1px solid {highlight}; border-radius: 2px; }}
    """


def list_style(theme_id: str) -> str:
    """Qt style sheet of a list that drops down: a window of its own, which inherits nothing from the dock."""
    from napari.utils.theme import get_theme

    theme = get_theme(theme_id)
    primary, text, current = (getattr(theme, key).as_hex() for key in ("primary", "text", "current"))
    return f"""
    QListView {{ background-color: {primary}; color: {text}; border: 1px solid {current}; font-size: {theme.font_size}; }}
    QListView::item {{ padding: 2px 4px; }}
    QListView::item:selected {{ background-color: {current}; color: {text}; }}
    """
