"""How does plain text become BERT's two pretraining tasks?

*Masked language modelling* hides some word pieces and asks for them; *next-sentence prediction* asks whether the second
of two sentences follows the first in its document. Both follow Devlin et al. 2019, section 3.1 and appendix A.1, and
their ``create_pretraining_data.py``. Use them in this order::

    pairs = sentence_pairs(split, seed=0)
    encoded = encode(pairs, tokenizer)
    batches = batching.batches(encoded, tokenizer, 64, shuffle=True, collate=PretrainingCollator(tokenizer))
"""

from __future__ import annotations

from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F

from helpers import architecture, renamed
from helpers.batching import IGNORED
from helpers.errors import number

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

NEXT_SENTENCE_LABELS = ("next", "random")


def mask_tokens(
    input_ids: torch.Tensor,
    tokenizer: PreTrainedTokenizerBase,
    probability: float = 0.15,
    generator: torch.Generator | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hide word pieces for masked language modelling.

    In each sequence ``probability`` of the pieces are chosen, rounded, at least one. Of those, 80 % become ``[MASK]``,
    10 % a random piece, and 10 % stay: at test time there is no ``[MASK]``, so the model may not rely on it. Special
    tokens (``[CLS]``, ``[SEP]``, ``[PAD]``, ``[UNK]``, ``[MASK]``) are never chosen and never drawn as random pieces.

    Args:
        input_ids: shape (batch, length); not changed.
        probability: share of the pieces to predict, above 0 and at most 1.
        generator: decides what is chosen; by default PyTorch's own.

    Returns the ids with the holes and the labels, both of shape (batch, length); labels are the original ids at the
    chosen places and -100 elsewhere.
    """
    number("probability", probability, above=0, high=1)
    special = torch.tensor(tokenizer.all_special_ids)
    maskable = ~torch.isin(input_ids, special)
    count = maskable.sum(1)
    wanted = (probability * count).round().clamp(min=1).minimum(count)
    # Every place draws a lot; special tokens draw the last ones. The lowest `wanted` of each row are chosen.
    lots = torch.rand(input_ids.shape, generator=generator).masked_fill(~maskable, 2.0)
    chosen = lots.argsort(1).argsort(1) < wanted[:, None]
    labels = input_ids.masked_fill(~chosen, IGNORED)

    pieces = torch.arange(len(tokenizer))
    pieces = pieces[~torch.isin(pieces, special)]
    random = pieces[torch.randint(len(pieces), input_ids.shape, generator=generator)]
    fate = torch.rand(input_ids.shape, generator=generator)
    hidden = input_ids.masked_fill(chosen & (fate < 0.8), tokenizer.mask_token_id)
    hidden = torch.where(chosen & (fate >= 0.9), random, hidden)
    return hidden, labels


class MaskingCollator:
    """Collator: pads encoded texts to a batch and hides word pieces (see :func:`mask_tokens`).

    Batches have ``input_ids``, ``token_type_ids``, ``attention_mask`` and ``labels``, each of shape (batch, longest).
    Every call masks anew, in an order that ``seed`` alone decides; two collators with one seed give the same batches.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, probability: float = 0.15, seed: int = 0) -> None:
        self.tokenizer = tokenizer
        self.probability = probability
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        names = [name for name in self.tokenizer.model_input_names if name in rows[0]]
        inputs = [{name: row[name] for name in names} for row in rows]
        batch = dict(self.tokenizer.pad(inputs, return_tensors="pt"))
        batch["input_ids"], batch["labels"] = mask_tokens(
            batch["input_ids"], self.tokenizer, self.probability, self.generator
        )
        return batch


class PretrainingCollator(MaskingCollator):
    """Collator for ``BertForPreTraining``: masks encoded pairs and adds ``next_sentence_label`` of shape (batch,)."""

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        return super().__call__(rows) | {"next_sentence_label": torch.tensor([row["labels"] for row in rows])}


def masked_loss(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Mean cross entropy at the hidden places: ``training.fit(model, batches, loss=masked_loss)``.

    The same number as ``model(**batch).loss``, for less work. The model's own loss scores the whole vocabulary at every
    place and leaves six of seven out afterwards; here the head is only asked where a piece was hidden.

    Args:
        batch: from :class:`MaskingCollator`, tensors of shape (batch, length).

    Raises ``ValueError`` for a model without such a head, and for a batch without a hidden piece, where the model's own
    loss is NaN.
    """
    labels, hidden = batch["labels"], batch["labels"] != IGNORED
    if not hidden.any():
        raise ValueError("No piece of this batch is hidden. Were the texts empty, or not masked?")
    inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
    head = architecture.masked_lm_head(model)
    states = architecture.body(model)(**inputs).last_hidden_state[hidden]
    return F.cross_entropy(head(states).float(), labels[hidden])


def sentence_pairs(split: Dataset, seed: int = 0, sentences: int = 1) -> Dataset:
    """Pairs for next-sentence prediction: half of them consecutive, half of them not.

    Args:
        split: one sentence a row in ``text``, the name of its ``document``; the sentences of a document in order.
        seed: decides which pairs are real and who is paired with whom; a new seed for every epoch.
        sentences: at most so many on each side. BERT's authors call any piece of running text a sentence.

    Every sentence that has a successor in its document ends a ``sentence1`` once. In half of the pairs ``sentence2``
    begins with that successor (label 0, ``"next"``), in the other half with a sentence of another document (label 1,
    ``"random"``), as in ``BertForPreTraining``. Random sentences are successors of something, too: a document's first
    sentence reads differently, and would give the label away.

    Returns ``sentence1``, ``sentence2`` and ``label``. Raises ``ValueError`` where no other document has a sentence to
    pair one with, and for ``sentences`` below 1.
    """
    from datasets import ClassLabel, Dataset, Features, Value

    number("sentences", sentences, low=1, whole=True)
    texts, documents = split["text"][:], split["document"][:]
    firsts = [row for row, (one, other) in enumerate(pairwise(documents)) if one == other]
    generator = torch.Generator().manual_seed(seed)
    random = torch.randperm(len(firsts), generator=generator) < len(firsts) // 2

    def stranger(row: int) -> int:
        """A sentence that succeeds another one, in another document, and does not read the same as row's successor."""

        def fits(other: int) -> bool:
            return documents[other] != documents[row] and texts[other + 1] != texts[row + 1]

        for draw in torch.randint(len(firsts), (20,), generator=generator).tolist():
            if fits(firsts[draw]):
                return firsts[draw] + 1
        others = [other for other in firsts if fits(other)]
        if not others:
            raise ValueError(
                f"Document {documents[row]!r} has no other to be paired with: sentence pairs need at least two "
                "different documents of two sentences or more."
            )
        return others[int(torch.randint(len(others), (), generator=generator))] + 1

    def passage(rows: range) -> str:
        """The sentences of these rows, from the first on and as far as they are of its document."""
        return " ".join(texts[r] for r in takewhile(lambda r: documents[r] == documents[rows[0]], rows))

    def before(row: int) -> str:
        start = next(r for r in range(max(0, row - sentences + 1), row + 1) if documents[r] == documents[row])
        return passage(range(start, row + 1))

    seconds = [stranger(row) if r else row + 1 for row, r in zip(firsts, random.tolist(), strict=True)]
    features = Features(
        sentence1=Value("string"), sentence2=Value("string"), label=ClassLabel(names=list(NEXT_SENTENCE_LABELS))
    )
    columns = {
        "sentence1": [before(row) for row in firsts],
        "sentence2": [passage(range(row, min(row + sentences, len(texts)))) for row in seconds],
        "label": random.long().tolist(),
    }
    return Dataset.from_dict(columns, features=features)


renamed.keep(__name__)
