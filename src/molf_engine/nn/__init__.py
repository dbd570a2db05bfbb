"""Pure network modules: gene VAE, context, gate and experts, velocity field.

They know no files, no settings and no AnnData; a slide's patches are the rows of every tensor and there is no batch axis.
"""
