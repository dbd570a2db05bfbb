"""What is on the screen as a folder that can be opened again."""
