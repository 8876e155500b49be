"""Does further pretraining pay? ``python -m experiments.further_pretraining``

One task, three ways to use MiniLM. The task: from which of eight libraries is a sentence of documentation, with 8, 32
or 128 labelled sentences of each? The ways:

- ``frozen``: the encoder stays as it is under a trained head (logistic regression on its mean-pooled output);
- ``full``: everything is fine-tuned under a new head;
- ``further``: masked language modelling on the libraries' unlabelled sentences first, then ``full``.

Every seed draws its own labels, its own head and its own further pretraining. Writes a row for each further pretraining
(masked loss before and after, what it cost in seconds and in general similarity) and for each way, number of labels and
seed, to ``book/evidence/further_pretraining.json``, and prints the table with its intervals. Interrupt it whenever you
like; the same command goes on. The encoders of finished further pretrainings are kept in ``--folder``.
"""
