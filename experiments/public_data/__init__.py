"""Every head on public data. ``python -m experiments.public_data``

The code of ``data_baselines``, that is of the chapters, on the public sets that have the columns of the shipped ones;
five seeds. Rows go to ``book/evidence/public_data.json`` (resumable). Needs the hub, or a cache of it at ``HF_HOME``.
"""
