"""How fast is ``fit``? ``python -m experiments.bench`` (or ``make bench``).

The same work, one contender after the other in one process, several rounds, interleaved; from the times, ratios. A
ratio within one run says something on any machine; seconds say something about one machine only. Real MRPC where
``HF_HOME`` holds it, the book's ``intents`` otherwise. Five questions, each with rows in ``book/evidence/bench.json``:

- *speed*: ``fit`` (length buckets, bfloat16 where the hardware has it, fused AdamW) against a bare loop of the same
  ingredients, Trainer tuned (``bf16``, grouping by length), Trainer's default (float32, random batches), and what old
  recipes do (float32, every example padded to 512 pieces);
- *quality*: test accuracy of ``fit`` and the two Trainers after the same epochs;
- *frozen*: an epoch of full fine-tuning, of a frozen encoder, and of a head on cached features;
- *peak*: operations a second in ``fit`` and in one large matrix product;
- *growth*: milliseconds an example for longer texts, larger batches, more labels.

A question is measured as a whole, so that its ratios are of one run; one that is measured is not asked again.
"""
