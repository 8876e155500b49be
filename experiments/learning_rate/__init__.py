"""Which learning rate, and what does it cost? ``python -m experiments.learning_rate``

For every encoder, way of training, rate and seed: train on ``intents``, then measure two things on held-out text. How
well the task was learned, and what is left of the ability that the encoder was pretrained for: of the pocket BERT its
masked language modelling, with the heads it was pretrained with over the trained body; of MiniLM how its cosines rank
the pairs of ``paraphrases:similarity``.

Writes a row for each to ``book/evidence/learning_rate.json`` (resumable). Choose parts of the grid with the options,
e.g. ``--encoders pocket --regimes full --rates 2e-5 4e-4``.
"""
