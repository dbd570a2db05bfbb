"""Cohorts: many slides on many processes or machines, nothing lost and nothing done twice.

What is common to all of them lies on disk, in the folder of the results: a state and a claim for each slide (``state``, ``claims``).
``work`` predicts one slide under its claim; ``processes`` and ``cluster`` only hand out slides, so that any number of commands,
processes and machines may share a folder.  ``plan`` says what is left to do, ``summary`` what came of it, ``run`` brings them together.
"""
