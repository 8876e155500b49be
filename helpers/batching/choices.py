"""How does one question with several possible answers become one row of a batch?

BERT reads a prompt with one choice at a time, so a row holds as many sequences as it has choices, and a batch has three
axes: (batch, choices, length). Rows with fewer choices than the widest of the batch are filled up with sequences that
stand for no choice. The head scores those like any other, so somebody has to take them out of the softmax::

    encoded = encode_choices(split, tokenizer, max_length=64)
    batches = batching.batches(encoded, tokenizer, collate=ChoiceCollator(tokenizer))
    mask = batch.pop("choice_mask", None)
    scores = mask_choices(model(**batch).logits, mask)
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import torch

from helpers import renamed
from helpers.batching.checks import LABEL, fitting, in_parts, needed

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

PROMPT, CHOICES = "prompt", "choices"


def encode_choices(split: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int | None = None) -> Dataset:
    """Pair every prompt with each of its choices and turn the pairs into token ids.

    Args:
        split: rows with ``prompt``, ``choices`` (strings, at least one a row, any number) and usually ``label``, the
            index of the right choice.
        max_length: of a pair in pieces, special tokens included; of a longer pair the longer text loses its end. By
            default 128, or what the model holds, if that is less.

    Returns a ``Dataset`` with ``input_ids``, ``token_type_ids`` and ``attention_mask``, each a list of as many
    sequences as the row has choices, in their order, and ``labels`` where there were any.

    Raises ``ValueError`` for an empty split, for a row without choices, for a text that is no string, and for a label
    that is no index of the row's choices.
    """
    needed(split, PROMPT, CHOICES)
    max_length = fitting(tokenizer, max_length, texts=2)
    columns = [name for name in (PROMPT, CHOICES, LABEL) if name in split.column_names]

    def part(rows: dict[str, list], start: int) -> dict[str, list]:
        choices, labels = rows[CHOICES], rows.get(LABEL)
        for place, (prompt, offered) in enumerate(zip(rows[PROMPT], choices, strict=True)):
            _check_row(start + place, prompt, offered)
            if labels:
                _check_answer(start + place, labels[place], len(offered))
        first = [prompt for prompt, offered in zip(rows[PROMPT], choices, strict=True) for _ in offered]
        second = [choice for offered in choices for choice in offered]
        pairs = tokenizer(first, second, truncation=True, max_length=max_length)
        ends = list(accumulate(len(offered) for offered in choices))
        spans = list(zip([0, *ends[:-1]], ends, strict=True))
        encoded = {name: [values[one:other] for one, other in spans] for name, values in pairs.items()}
        return encoded | ({"labels": labels} if labels else {})

    return in_parts(split, columns, part)


def _check_row(row: int, prompt: Any, choices: Any) -> None:
    if isinstance(choices, str):
        raise ValueError(f"Row {row}: choices must be a list of strings, got one string {choices!r}.")
    if not choices:
        raise ValueError(f"Row {row} has no choices.")
    if not isinstance(choices, (list, tuple)) or not all(isinstance(text, str) for text in (prompt, *choices)):
        raise ValueError(f"Row {row}: prompt and choices must be strings, got {prompt!r} and {choices!r}.")


def _check_answer(row: int, label: Any, choices: int) -> None:
    if isinstance(label, str):
        raise ValueError(
            f"Row {row}: label {label!r} is no number; it must be the index of the right choice, from 0: "
            "split.map(lambda row: {'label': 'ABCDE'.index(row['label'])}) where labels are letters."
        )
    if not isinstance(label, int) or isinstance(label, bool) or not 0 <= label < choices:
        raise ValueError(f"Row {row}: label {label!r} is none of its choices 0 … {choices - 1}.")


class ChoiceCollator:
    """Collator: pads sequences to the longest of the batch and rows to the most choices of the batch.

    Batches have the tokenizer's inputs, each of shape (batch, choices, longest) and contiguous, so that the model can
    ``view`` them as (batch · choices, longest), and ``labels`` of shape (batch,) where there are any. If the rows
    differ in their number of choices there is also ``choice_mask``, boolean, of shape (batch, choices): true for a
    choice, false for filling. :func:`mask_choices` applies it. Filling repeats the row's first choice: a sequence of
    padding alone would have nothing to attend to.

    Shuffled ``batching.batches`` put rows with the same number of choices together, so that little is filled up.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        counts = torch.tensor([len(row["input_ids"]) for row in rows])
        width = int(counts.max())
        names = [name for name in self.tokenizer.model_input_names if name in rows[0]]
        sequences = [
            {name: row[name][place if place < len(row[name]) else 0] for name in names}
            for row in rows
            for place in range(width)
        ]
        padded = self.tokenizer.pad(sequences, return_tensors="pt")
        batch = {name: tensor.view(len(rows), width, -1) for name, tensor in padded.items()}
        if "labels" in rows[0]:
            batch["labels"] = torch.tensor([row["labels"] for row in rows])
        if (counts != width).any():
            batch["choice_mask"] = torch.arange(width) < counts[:, None]
        return batch


def mask_choices(logits: torch.Tensor, choice_mask: torch.Tensor | None) -> torch.Tensor:
    """The scores (batch, choices), with minus infinity where there is no choice, so that its probability is 0.

    Every row has a choice, so the softmax is never empty. Without a mask the scores come back as they are.
    """
    return logits if choice_mask is None else logits.masked_fill(~choice_mask, -torch.inf)


renamed.keep(__name__)
