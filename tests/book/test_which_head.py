"""The table of task heads: every row is what the library does."""

from __future__ import annotations

import re

import pytest
import torch
import transformers
from torch.nn import functional

from tools.notebooks import BOOK

B, S, C, L, V, H = SIZES = 2, 6, 3, 4, 30, 16
LETTERS = dict(zip("BSCLVH", SIZES, strict=True))
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (BOOK / "which_head.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and "`Bert" in line
]


def shapes(cell: str) -> dict[str, tuple[int, ...]]:
    """``logits (B, L)`` as a name and a shape."""
    return {
        name: tuple(LETTERS.get(size) or int(size) for size in sizes.split(", "))
        for name, sizes in re.findall(r"(\w+) \(([B-V\d, ]+)\)", cell)
    }


def targets(cell: str) -> dict[str, torch.Tensor]:
    """Labels of the shapes that the cell names; floats where it says so."""
    found = {}
    for name, shape in shapes(cell).items():
        found[name] = torch.rand(shape).round() if "floats" in cell else torch.randint(0, 2, shape)
        if "left out" in cell:
            found[name][:, 0] = -100
    return found


def expected(loss: str, output, labels: dict[str, torch.Tensor]) -> torch.Tensor:
    """The loss that the table names, by hand."""
    values = list(labels.values())
    if loss == "squared error":
        return functional.mse_loss(output.logits.squeeze(), values[0])
    if loss == "binary cross entropy":
        return functional.binary_cross_entropy_with_logits(output.logits, values[0])
    logits = [tensor for name, tensor in output.items() if name.endswith("logits")]
    parts = [
        functional.cross_entropy(one.reshape(-1, one.shape[-1]), label.reshape(-1))
        for one, label in zip(logits, values, strict=True)
    ]
    return {"cross entropy": sum, "sum of two cross entropies": sum}.get(loss, lambda found: sum(found) / 2)(parts)


def test_the_table_has_every_head():
    heads = {name for name in dir(transformers) if re.fullmatch(r"BertFor\w+|BertLMHeadModel|BertModel", name)}
    assert heads == {re.search(r"`(Bert\w+)`", row[1])[1] for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_is_what_the_library_does(row: list[str]):
    _, name, inputs, output, labels, loss = row
    torch.manual_seed(0)
    problem = re.search(r'problem_type="(\w+)"', name)
    head = re.search(r"`(Bert\w+)`", name)[1]
    count = 1 if "num_labels=1" in name else 2 if head == "BertForQuestionAnswering" else L
    config = transformers.BertConfig(
        vocab_size=V, hidden_size=H, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, num_labels=count,
        problem_type=problem[1] if problem else None, is_decoder="is_decoder" in name,
    )  # fmt: skip
    model = getattr(transformers, head)(config).eval()
    [shape] = shapes(f"ids {inputs}").values()
    given = targets(labels)
    with torch.no_grad():
        found = model(torch.randint(5, V, shape), attention_mask=torch.ones(shape, dtype=torch.long), **given)
    assert {key: tuple(found[key].shape) for key in shapes(output)} == shapes(output)
    if loss == "none":
        assert "loss" not in found
    elif "shifted" in labels:
        shifted = functional.cross_entropy(found.logits[:, :-1].reshape(-1, V), given["labels"][:, 1:].reshape(-1))
        assert torch.isclose(found.loss, shifted)
    else:
        assert torch.isclose(found.loss, expected(loss, found, given))
