"""What every section of the dock stands on: the score on show, work beside the window's thread, folding sections."""
