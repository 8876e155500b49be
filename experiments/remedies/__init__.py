"""Which remedy keeps what, over five tasks? ``python -m experiments.remedies``

Fifty of CLINC's 150 intents become five tasks of ten; the seed decides which, and in which order. One model learns them
one after the other; its head grows by the new labels each time. After every task it is scored on all tasks so far,
twice: among all labels it knows (*class-incremental*), and among the labels of the sentence's own task
(*task-incremental*).

Every remedy that has a strength is searched on the validation rows with three seeds of their own, once for each of the
two scores, on a grid that is widened until no winner stands at its end. Then the strengths chosen are measured on the
test rows with five other seeds. Beside the remedies stand doing nothing, class means on the pretrained encoder, the
encoder frozen after the first task, and all sentences at once. Rows go to ``book/evidence/remedies.json`` (resumable).

``--remedies`` and ``--seeds`` do a part; ``--encoder pocket`` takes an encoder that was not made for comparing
sentences; ``--data intents --classes 20`` does it small.
"""
