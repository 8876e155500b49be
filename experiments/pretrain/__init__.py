"""Pretrains the pocket BERT: ``python -m experiments.pretrain``

A WordPiece tokenizer and a small ``BertForPreTraining``, both learned from the ``documentation`` corpus, with masked
language modelling and next-sentence prediction. Interrupt the run whenever you like (Ctrl-C, or kill it): the same
command goes on from its last checkpoint and ends with the weights that it would have had without the interruption.

Writes the model with its card to ``--output`` and the curve to ``--evidence``. See ``--help`` for the size, the number
of steps and the seed.
"""
