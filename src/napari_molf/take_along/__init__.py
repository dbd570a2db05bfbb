"""What is seen, taken along: files for other programs, figures, a report, the clipboard."""
