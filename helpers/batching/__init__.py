"""How do examples become tensors?

Two steps. ``encode`` turns the texts of a split into token ids, once. ``loader`` groups them into batches of similar
length and pads each batch to its own longest example: attention and feed-forward layers work on padding as hard as on
words, so a batch of short texts should not be as wide as the longest text of the set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, Sampler

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # the label that the losses of transformers leave out, and so do the metrics here
# Which columns of a data set are its text, in the order in which they are packed into one sequence.
TEXT_COLUMNS = (("text",), ("sentence1", "sentence2"))


def encode(split: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int = 128) -> Dataset:
    """Turn the texts of a split into token ids; keep its labels as ``labels``.

    Args:
        split: rows with ``text``, or with ``sentence1`` and ``sentence2``, and usually ``label``.
        max_length: in word pieces, ``[CLS]`` and ``[SEP]`` included; longer texts lose their end.

    Returns a ``Dataset`` with ``input_ids``, ``token_type_ids`` and ``attention_mask`` (a list of at most
    ``max_length`` integers each, no padding yet), and ``labels`` where there were any.

    Raises ``ValueError`` for an empty split, for a text that is no string (with its row), and for a label outside the
    range of its class names.
    """
    columns = next((names for names in TEXT_COLUMNS if set(names) <= set(split.column_names)), None)
    if columns is None:
        raise ValueError(
            f"Found no text to encode in the columns {split.column_names}; looked for "
            + " or ".join("+".join(names) for names in TEXT_COLUMNS)
        )
    if len(split) == 0:
        raise ValueError("The split has no rows, so there is nothing to learn from or to measure on.")
    texts = [split[column][:] for column in columns]
    for column, values in zip(columns, texts, strict=True):
        for row, value in enumerate(values):
            if not isinstance(value, str):
                raise ValueError(f"Row {row}: column {column!r} holds {value!r}, which is not a string.")
    encoded = dict(tokenizer(*texts, truncation=True, max_length=max_length))
    if "label" in split.column_names:
        encoded["labels"] = split["label"][:]
        _check_labels(encoded["labels"], split.features["label"])
    return type(split).from_dict(encoded)


def _check_labels(labels: Sequence[Any], feature: Any) -> None:
    names = getattr(feature, "names", None)
    for row, label in enumerate(labels):
        if label is None or (names is not None and not 0 <= label < len(names)):
            allowed = f"0 … {len(names) - 1} ({names[0]} … {names[-1]})" if names else "a number"
            raise ValueError(f"Row {row}: label {label!r} is not allowed here; expected {allowed}.")


def loader(
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

    Raises ``ValueError`` for a ``batch_size`` below 1.
    """
    from transformers import DataCollatorWithPadding

    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    batches: Any = in_order(len(encoded), batch_size)
    if shuffle:
        batches = BucketBatches([len(ids) for ids in encoded["input_ids"]], batch_size, seed)
    return DataLoader(encoded, batch_sampler=batches, collate_fn=collate or DataCollatorWithPadding(tokenizer))


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
        batches = by_length.split(self.batch_size)
        for i in torch.randperm(len(batches), generator=generator):
            yield batches[i].tolist()
