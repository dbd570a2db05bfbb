"""The viewer: whole slides, predicted expression and expert routing in napari.

Nothing here runs the model.  A prediction is computed by :mod:`molf_engine` in a child process; this package opens slides,
asks for predictions and draws them.

- ``_reader``, ``_sample``, ``_slide_layer``: slides and saved results as layers;
- ``_maps``, ``_scores``, ``_layers``: patches to arrays, arrays to layers; no Qt;
- ``_run``, ``_jobs``, ``_background``: a prediction that is being made, and work beside the window's thread;
- ``_settings_form``, ``_search``, ``_guidance``, ``_experts``, ``_readout``, ``_card``, ``_help``: the parts of the dock;
- ``_widget``: the dock.
"""
