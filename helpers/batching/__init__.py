"""How do examples become tensors?

Two steps. ``encode`` turns the texts of a split into token ids, once. ``batches`` groups them into batches of similar
length and pads each batch to its own longest example: attention and feed-forward layers work on padding as hard as on
words, so a batch of short texts should not be as wide as the longest text of the set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, Sampler

from helpers import renamed, runtime
from helpers.batching.checks import TEXT_COLUMNS as TEXT_COLUMNS
from helpers.batching.checks import check_texts, fitting, in_parts, label_values, text_columns
from helpers.errors import number, with_rows

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # the label that the losses of transformers leave out, and so do the metrics here


def encode(split: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int | None = None) -> Dataset:
    """Turn the texts of a split into token ids; keep its labels as ``labels``.

    Args:
        split: rows with ``text``, or with ``sentence1`` and ``sentence2``, and usually ``label``: the number of a
            class, a quantity, or a list with 0 or 1 for each of several labels (they become floats).
        max_length: in word pieces, ``[CLS]`` and ``[SEP]`` included; longer texts lose their end.
            By default 128, or what the model holds, if that is less.

    Returns a ``Dataset`` with ``input_ids``, ``token_type_ids`` and ``attention_mask`` (a list of at most
    ``max_length`` integers each, no padding yet), and ``labels`` where there were any. Memory beyond the result is
    that of a thousand rows.

    Raises ``ValueError`` for an empty split or what is no split, for a text that is no string (with its row), for a
    label that is no number, negative, or outside the range of its class names, and for a ``max_length`` that leaves no
    room for a piece or is more than the model holds.
    """
    columns = text_columns(split)
    max_length = fitting(tokenizer, max_length, len(columns))
    labels = label_values(split)

    def part(rows: dict[str, list], start: int) -> dict[str, list]:
        for column in columns:
            check_texts(column, rows[column], start)
        encoded = dict(tokenizer(*(rows[column] for column in columns), truncation=True, max_length=max_length))
        if labels is not None:
            encoded["labels"] = labels[start : start + len(rows[columns[0]])]
        return encoded

    return in_parts(split, columns, part)


def batches(
    encoded: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    batch_size: int = 16,
    *,
    shuffle: bool = False,
    seed: int = 0,
    collate: Callable[[list[dict]], dict[str, torch.Tensor]] | None = None,
) -> DataLoader:
    """Batches of similar length, each padded to its own longest example.

    Args:
        encoded: what :func:`encode` returned.
        shuffle: a new order in every epoch, decided by ``seed`` (training); else the order of the rows (measuring).
        collate: makes one batch of a list of rows; by default the tokenizer's padding.

    Each batch is a dictionary of tensors: ``input_ids``, ``token_type_ids``, ``attention_mask`` of shape (batch,
    longest) and ``labels`` of shape (batch,), int64 for classes and float32 for numbers.

    Raises ``ValueError`` for a ``batch_size`` below 1, for rows that are not encoded, for a ``shuffle`` that is not
    ``True`` or ``False``, and for a ``collate`` that cannot be called.
    """
    from transformers import DataCollatorWithPadding

    number("batch_size", batch_size, low=1, whole=True)
    number("seed", seed, low=0, whole=True)
    if not isinstance(shuffle, bool):
        raise ValueError(f"shuffle must be True or False, got {shuffle!r}.")
    if collate is not None and not callable(collate):
        raise ValueError(f"collate must be a function of a list of rows, got {type(collate).__name__}.")
    if not isinstance(getattr(encoded, "column_names", None), list):
        with_rows(encoded)
    if "input_ids" not in encoded.column_names:
        raise ValueError(
            f"The rows are not encoded, they have {', '.join(encoded.column_names)}: batches(encode(split, tokenizer), "
            "tokenizer)."
        )
    sampler: Any = in_order(len(encoded), batch_size)
    if shuffle:
        sampler = BucketBatches([len(ids) for ids in encoded["input_ids"]], batch_size, seed)
    return DataLoader(
        encoded,
        batch_sampler=sampler,
        collate_fn=collate or DataCollatorWithPadding(tokenizer),
        pin_memory=runtime.device().type == "cuda",  # so that a copy to the GPU need not wait
    )


def in_order(rows: int, batch_size: int) -> list[range]:
    """Batches of row numbers in the order of the rows; the last may be smaller."""
    return [range(i, min(i + batch_size, rows)) for i in range(0, rows, batch_size)]


class BucketBatches(Sampler[list[int]]):
    """Random batches of rows of similar length.

    The rows are shuffled, cut into pools of ``POOL`` batches, sorted by length within each pool, cut into batches, and
    the batches shuffled. Every row appears exactly once in an epoch. The order depends on ``seed`` and the epoch alone.
    """

    # A larger pool means less padding and less randomness in who shares a batch with whom.
    POOL = 32

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int = 0) -> None:
        number("batch_size", batch_size, low=1, whole=True)
        number("seed", seed, low=0, whole=True)
        self.lengths = torch.as_tensor(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the epoch that the next iteration runs through."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator)
        pools = order.split(self.POOL * self.batch_size)
        by_length = torch.cat([pool[self.lengths[pool].argsort(stable=True)] for pool in pools])
        cut = by_length.split(self.batch_size)
        for i in torch.randperm(len(cut), generator=generator):
            yield cut[i].tolist()


renamed.keep(__name__)
