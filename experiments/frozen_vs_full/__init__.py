"""How much of the encoder to train? ``python -m experiments.frozen_vs_full``

MRPC and SST-2 (from ``HF_HOME`` or the hub), training sizes from 50 rows to all, the lowest 0, 2, 4 … layers frozen,
several seeds. With the first seed every regime runs at several learning rates; the one that does best on the validation
rows is the rate of its other seeds. Each row of ``book/evidence/frozen_vs_full.json`` is one run; the table gives the
scores on the test rows. Interrupt it when you like: it goes on where it stopped. The options choose parts:

    python -m experiments.frozen_vs_full --tasks mrpc --sizes 50 200 --frozen 0 6 --seeds 0 1

Frozen layers are counted from below, the embeddings are frozen with the first of them. As many as the encoder has leave
the head alone to learn; it does so on cached features, which costs one pass over the texts. With ``lora`` above 0 the
encoder is frozen and an adapter of that rank learns beside it, and the head.
"""
