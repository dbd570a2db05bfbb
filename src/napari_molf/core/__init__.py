"""What a prediction is to the viewer, and how it becomes layers.  No Qt, no widget."""
