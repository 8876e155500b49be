"""What does a frozen encoder say of each text?

The same in every epoch. So it needs to say it once: ``cache_features`` keeps the vectors that the head reads, and
``HeadOnly`` is the head without the encoder. Training it on the vectors trains the head of the whole model. ``embed``
gives the vectors of an encoder without a head.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import SequenceClassifierOutput

from helpers import architecture, batching, errors, evaluation, heads, renamed, runtime


class Features(Dataset):
    """The vectors (rows, width) that a head reads, and the ``labels`` of the rows, in the order of the batches.

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

    def batches(self, batch_size: int = 16, *, shuffle: bool = False, seed: int = 0) -> DataLoader:
        """Batches for ``training.fit`` and ``evaluation.predict``; see ``batching.batches`` for the arguments."""
        sampler: Iterable[Sequence[int]]
        if shuffle:
            sampler = batching.BucketBatches([1] * len(self), batch_size, seed)
        else:
            sampler = batching.in_order(len(self), batch_size)
        return DataLoader(self, batch_sampler=sampler, collate_fn=lambda batch: batch)

    def loader(self, *values: Any, **named: Any) -> DataLoader:
        """The old name of :meth:`batches`."""
        renamed.warn("Features.loader", "Features.batches")
        return self.batches(*values, **named)


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


@renamed.arguments
def cache_features(model: PreTrainedModel, batches: DataLoader) -> Features:
    """Run the frozen encoder once, in eval mode, and keep the vectors that its head reads.

    Args:
        batches: from ``batching.batches``, in the order of the rows (``shuffle=False``).

    The head alone then predicts what the whole model does, and in batches of the same size bit for bit:
    ``evaluation.predict(HeadOnly(model), cache_features(model, batches).batches(size))``.

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
        labels = evaluation.predict(model, batches).labels
    finally:
        hook.remove()
    if kept[0].dim() != 2:
        raise ValueError(f"The head of {type(model).__name__} reads a vector a token, not one a text.")
    # Joining gives ordinary tensors again, where predict made tensors that no training may use.
    return Features(torch.cat(kept), torch.from_numpy(labels))


def embed(
    encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_length: int | None = None
) -> torch.Tensor:
    """:func:`mean_states`, each of length one: the product of two such vectors is their cosine."""
    return F.normalize(mean_states(encoder, tokenizer, texts, max_length), dim=-1)


def mean_states(
    encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_length: int | None = None
) -> torch.Tensor:
    """One vector a text, shape (texts, width), float32, on the CPU: the mean of its last hidden states.

    This is how MiniLM was trained to be read (Reimers & Gurevych 2019, section 3). Puts the encoder into eval mode.
    Longer texts than ``max_length`` pieces lose their end. Raises ``ValueError`` for no texts, and for one string where
    a list of them belongs.
    """
    import datasets

    errors.strings("texts", texts)
    device = runtime.device()
    encoder.to(device).eval()  # before inference mode begins: see evaluation.predict
    encoded = batching.encode(datasets.Dataset.from_dict({"text": list(texts)}), tokenizer, max_length)
    vectors = []
    for batch in batching.batches(encoded, tokenizer, batch_size=32):
        batch = runtime.to_device(batch, device)
        with torch.inference_mode(), runtime.autocast():
            hidden = encoder(**batch).last_hidden_state
        vectors.append(heads.pool(hidden.float(), batch["attention_mask"], "mean").cpu())
    return torch.cat(vectors)
