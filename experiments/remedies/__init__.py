"""Which remedy keeps what, over five tasks? ``python -m experiments.remedies``

CLINC's 150 intents become five tasks of 30, in an order that the seed decides. One model learns them one after the
other; its head grows by the new labels each time. After every task it is scored on all tasks so far, twice: among all
labels it knows (*class-incremental*), and among the labels of the sentence's own task (*task-incremental*).

Every remedy that has a strength is first run with each of its grid on the validation split, with a seed of its own, and
then with the best one and five seeds on the test split. Rows go to ``book/evidence/remedies.json`` (resumable).

``--remedies`` and ``--seeds`` do a part; ``--data intents`` does it small.
"""
