"""Many models on the same sections, splits and seeds: trained, scored and reported as one.

:mod:`.settings` says what is asked, :mod:`.variants` with which changes to MoLF, :mod:`.training` makes the models,
:mod:`.contestants` asks them, :mod:`.scoring` scores them, :mod:`.elsewhere` reads what other tools predicted, and :mod:`.runner` goes
through all of it and resumes where it was.
"""
