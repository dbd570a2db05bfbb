"""What the gate does with tissue: who uses which expert, what the experts see, and whether any of it is more than chance.

``observe`` routes measured sections once; ``usage``, ``divergence``, ``type_test``, ``latent_space``, ``transport``, ``exemplars``,
``effects`` (put together by ``effect_table``) and ``comparison`` answer one question each; ``study`` asks them all, ``figures`` draws,
``findings`` says in words what the numbers show, ``chapters`` and ``report`` write it.
"""
