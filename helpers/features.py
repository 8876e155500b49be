"""What does a frozen encoder say of each text?

The same in every epoch. So it needs to say it once: ``cache_features`` keeps the vectors that the head reads, and
``HeadOnly`` is the head without the encoder. Training it on the vectors trains the head of the whole model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from helpers import architecture, batching, evaluation, heads


class Features(Dataset):
    """The vectors (rows, width) that a head reads, and the ``labels`` of the rows, in the order of the loader.

    ``labels`` has no rows where the batches had none.
    """

    def __init__(self, vectors: torch.Tensor, labels: torch.Tensor) -> None:
        self.vectors, self.labels = vectors, labels

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitems__(self, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """A batch: ``features`` and, where there are any, ``labels``. This is what PyTorch's loader calls."""
        batch = {"features": self.vectors[rows]}
        return batch | {"labels": self.labels[rows]} if len(self.labels) else batch

    def loader(self, batch_size: int = 16, *, shuffle: bool = False, seed: int = 0) -> DataLoader:
        """Batches for ``training.fit`` and ``evaluation.predict``; see ``batching.loader`` for the arguments."""
        batches: Iterable[Sequence[int]]
        if shuffle:
            batches = batching.BucketBatches([1] * len(self), batch_size, seed)
        else:
            batches = batching.in_order(len(self), batch_size)
        return DataLoader(self, batch_sampler=batches, collate_fn=lambda batch: batch)


class HeadOnly(nn.Module):
    """The head of a classifier, reading stored vectors instead of tokens.

    Its layers are the model's own, not copies: what is trained here is trained there. Raises ``ValueError`` for a
    model whose head is more than ``dropout`` and ``classifier``.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        above = {name for name, child in model.named_children() if child is not architecture.body(model)}
        if "classifier" not in above or not above <= {"dropout", "classifier"}:
            raise ValueError(
                f"{type(model).__name__} has {', '.join(sorted(above)) or 'nothing'} over its body; vectors can be "
                "stored for a head that is a dropout and a classifier."
            )
        self.dropout = getattr(model, "dropout", nn.Identity())
        self.classifier = model.classifier
        self.problem_type = model.config.problem_type

    def forward(self, features: torch.Tensor, labels: torch.Tensor | None = None) -> SequenceClassifierOutput:
        """Logits (batch, outputs) of vectors (batch, width), and ``heads.loss`` where there are ``labels``."""
        logits = self.classifier(self.dropout(features))
        loss = None if labels is None else heads.loss(logits, labels, self.problem_type)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def cache_features(model: PreTrainedModel, loader: DataLoader) -> Features:
    """Run the frozen encoder once, in eval mode, and keep the vectors that its head reads.

    Args:
        loader: from ``batching.loader``, in the order of the rows (``shuffle=False``).

    The head alone then predicts what the whole model does, and in batches of the same size bit for bit:
    ``evaluation.predict(HeadOnly(model), cache_features(model, loader).loader(size))``.

    Raises ``ValueError`` where the encoder still learns, because its vectors would soon be out of date, and where the
    head reads a vector a token.
    """
    HeadOnly(model)
    learning = [name for name, parameter in architecture.body(model).named_parameters() if parameter.requires_grad]
    if learning:
        raise ValueError(
            f"The encoder still learns ({learning[0]} and {len(learning) - 1} more parameters), so its vectors would "
            "change with every step. Call freezing.freeze_body(model) first."
        )
    kept: list[torch.Tensor] = []
    hook = model.classifier.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0].cpu()))
    try:
        labels = evaluation.predict(model, loader).labels
    finally:
        hook.remove()
    if kept[0].dim() != 2:
        raise ValueError(f"The head of {type(model).__name__} reads a vector a token, not one a text.")
    # Joining gives ordinary tensors again, where predict made tensors that no training may use.
    return Features(torch.cat(kept), torch.from_numpy(labels))
