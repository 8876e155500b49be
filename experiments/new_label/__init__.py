"""What keeps 135 intents when one more is learned from ten examples? ``python -m experiments.new_label``

Every seed draws 135 of CLINC's 150 intents, a new one, and ten of its training sentences. The encoder learns the 135
first, once a seed; that classifier is kept under ``.cache/new_label``. Then every remedy starts from it. The rates of
some are searched on other draws and on validation rows. Rows go to ``book/evidence/new_label.json`` one by one, so that
a killed run goes on where it stopped. Offline with ``HF_HOME`` at a cache that holds CLINC and ``HF_HUB_OFFLINE=1``.
"""
