"""The question mark at the head of the dock."""

from __future__ import annotations

from qtpy.QtWidgets import QToolButton, QWhatsThis, QWidget

TEXT = """<b>MoLF: gene expression from H&amp;E</b>
<p>1. Drag a slide into the window. 2. Press Predict. 3. Type a gene or a Hallmark.</p>
<p><b>Keys.</b> Up and Down in the search box: next score. Left and Right on the guidance slider: 0.1; Page Up and Down: 1;
double click: the scale chosen on held-out tissue.</p>
<p><b>Colours.</b> Dark is low, yellow is high. Where there is no colour, nothing was predicted. The limits are those of this slide; they
stay while guidance changes, and are new for another score. A gene's unit is the log of its counts; a Hallmark's is the standard
deviation of the training spots, counted from their mean.</p>
<p><b>Relative to local total.</b> Dense tissue has more of everything; relative to the total, a map shows what the tissue is made of.</p>
<p>A prediction is not a measurement. Research use only.</p>"""


class HelpButton(QToolButton):
    """Shows how to use the dock, until the next click."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("molf_help")
        self.setText("?")
        self.setAccessibleName("Help")
        self.setToolTip("How to use this panel")
        self.clicked.connect(self._on_clicked)

    def _on_clicked(self) -> None:
        QWhatsThis.showText(self.mapToGlobal(self.rect().bottomLeft()), TEXT, self)
