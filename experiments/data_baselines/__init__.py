"""What is each of the book's data sets worth? ``python -m experiments.data_baselines``

For every set: simple baselines, and full fine-tuning of MiniLM with three seeds, scored on the test split. Writes the
rows to ``book/evidence/data_baselines.json`` (resumable) and the summary, with a checksum of each set's file, to
``helpers/data/sets/measured.json``, which the cards and ``python -m helpers.data`` show.
"""
