"""What tests of models share beside a tiny one."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture
def inputs():
    """Four texts of 3 to 9 tokens, padded to 9."""
    torch.manual_seed(1)
    lengths = torch.tensor([9, 3, 5, 7])
    mask = (torch.arange(9) < lengths[:, None]).long()
    return {"input_ids": torch.randint(5, 20, (4, 9)) * mask, "attention_mask": mask}
