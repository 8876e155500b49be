"""What tests of models share beside a tiny one."""

from __future__ import annotations

import pytest
import torch

from helpers import batching


@pytest.fixture
def inputs():
    """Four texts of 3 to 9 tokens, padded to 9."""
    torch.manual_seed(1)
    lengths = torch.tensor([9, 3, 5, 7])
    mask = (torch.arange(9) < lengths[:, None]).long()
    return {"input_ids": torch.randint(5, 20, (4, 9)) * mask, "attention_mask": mask}


@pytest.fixture
def fp32(monkeypatch):
    """Full precision, for what is compared with a formula."""
    monkeypatch.setenv("HELPERS_PRECISION", "fp32")


@pytest.fixture
def encoded(colours, tokenizer):
    """The small set of colours as token ids."""
    return batching.encode(colours, tokenizer)
