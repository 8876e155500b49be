"""Would a claim fall if its sentence were false?

A claim that also holds on broken code proves nothing. So the code is broken on purpose, one fault at a time, the
chapters that use it run, and what fell is kept: :mod:`~tools.doubt.catalogue` has the faults, :mod:`~tools.doubt.trial`
runs a chapter under one of them, :mod:`~tools.doubt.rows` keeps the outcome, and :mod:`~tools.doubt.verdict` says of
each claim when it falls. How to use it: maintaining/doubt.md.
"""
