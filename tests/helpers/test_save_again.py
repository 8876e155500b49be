"""What was saved comes back as it was, whatever the head, the pooler and the wrapper."""

from __future__ import annotations

import pytest
import torch
import transformers

from helpers import freezing, heads, models

SIZE = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
IDS = torch.tensor([[2, 5, 6, 3]])


@pytest.fixture
def masked(tmp_path):
    """The folder of a BERT that has no pooler, as masked-language checkpoints have none."""
    torch.manual_seed(0)
    transformers.BertForMaskedLM(transformers.BertConfig(**SIZE)).save_pretrained(tmp_path / "masked")
    return tmp_path / "masked"


def classifier(folder, **options):
    torch.manual_seed(1)
    return models.load(folder, head="classification", labels=["a", "b"], **options)


def same(again, model):
    """The same weights, bit for bit, and the same answer."""
    pairs = zip(again.state_dict().items(), model.state_dict().items(), strict=True)
    weights = all(name == other and torch.equal(a, b) for (name, a), (other, b) in pairs)
    return weights and torch.allclose(again.eval()(IDS).logits, model(IDS).logits, atol=1e-6)


def test_a_pooler_that_was_drawn_anew_is_said_and_saved_with_lora(masked, tmp_path, capsys):
    from peft import PeftModel

    model = classifier(masked)
    assert "The pooler is not in" in capsys.readouterr().out
    assert {"bert.pooler.dense.weight", "classifier.weight"} <= set(model.drawn_anew)
    adapted = freezing.lora(model).eval()
    expected = adapted(IDS).logits
    adapted.save_pretrained(tmp_path / "adapter")
    torch.manual_seed(99)  # another pooler and another head are drawn now
    again = PeftModel.from_pretrained(
        models.load(masked, head="classification", labels=["a", "b"]), tmp_path / "adapter"
    )
    assert torch.equal(again.eval()(IDS).logits, expected)


def test_a_pooled_classifier_comes_back_through_every_door(masked, tmp_path):
    torch.manual_seed(1)
    options = {"pooling": "mean", "classifier": "dense"}
    model = models.load(masked, head=heads.PooledClassifier, labels=["a", "b"], **options).eval()
    model.save_pretrained(tmp_path / "pooled")
    doors = (
        models.load(tmp_path / "pooled", head="classification"),
        models.load(tmp_path / "pooled", head=heads.PooledClassifier),
        transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "pooled"),
        heads.PooledClassifier.from_pretrained(tmp_path / "pooled"),
    )
    for again in doors:
        assert isinstance(again, heads.PooledClassifier)
        assert (again.config.pooling, again.config.classifier) == ("mean", "dense")
        assert same(again, model)
    assert type(models.load(tmp_path / "pooled")) is transformers.BertModel


def test_a_folder_from_before_the_pooled_classifier_had_its_own_type(masked, tmp_path):
    torch.manual_seed(1)
    model = models.load(masked, head=heads.PooledClassifier, labels=["a", "b"], pooling="mean").eval()
    model.save_pretrained(tmp_path / "old")
    config = tmp_path / "old" / "config.json"
    config.write_text(config.read_text().replace('"pooled-bert"', '"bert"'))
    again = models.load(tmp_path / "old", head="classification")
    assert same(again, model)


def test_a_causal_model_reads_both_ways_under_another_head(masked, tmp_path):
    models.load(masked, head="causal-lm").save_pretrained(tmp_path / "causal")
    assert models.load(tmp_path / "causal", head="causal-lm").config.is_decoder
    assert not classifier(tmp_path / "causal").config.is_decoder


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["b", "a"], "you gave in another order"),
        (["a", "b", "c"], r"has 2 labels \(a, b\), you gave 3"),
        (["x", "y"], "you gave others"),
        ("ab", "labels must be a list of names"),
        ({"a": 0, "b": 1}, "labels must be a list of names"),
        ({"a", "b"}, "labels must be a list of names"),
        (["a", 1], "labels must be a list of names"),
        (["a", " "], "labels must be a list of names"),
        (["a", "a"], "must differ from each other"),
        (["Refund", "refund "], "differ by case or blanks only"),
        (["a"], "is no choice"),
    ],
)
def test_labels_that_contradict_the_weights_or_are_none(masked, tmp_path, labels, message):
    classifier(masked).save_pretrained(tmp_path / "saved")
    with pytest.raises(ValueError, match=message) as error:
        models.load(tmp_path / "saved", head="classification", labels=labels)
    assert "\n" not in str(error.value)
    assert models.load(tmp_path / "saved", head="classification").config.id2label == {0: "a", 1: "b"}


@pytest.mark.parametrize(
    ("head", "options", "message"),
    [
        ("regression", {"labels": ["a", "b"]}, "The head 'regression' has no labels"),
        ("question-answering", {"labels": ["a", "b", "c"]}, "The head 'question-answering' has no labels"),
        ("classification", {"labels": ["a", "b"], "num_labels": 5}, "There are 2 labels, and num_labels=5"),
        ("encoder", {"num_hidden_layers": 3}, r"18 of the encoder's \d+ tensors are not in"),
        ("encoder", {"num_hidden_layers": 0}, "num_hidden_layers must be a whole number, at least 1"),
        (
            "encoder",
            {"hidden_dropout_prob": 1.5},
            "hidden_dropout_prob must be a finite number, at least 0 and at most 1",
        ),
        ("encoder", {"hidden_dropout_prob": "0.1"}, "hidden_dropout_prob must be a finite number"),
        ("encoder", {"hidden_size": 32}, "have another shape"),
    ],
)
def test_settings_that_would_give_random_weights_or_none(masked, head, options, message):
    with pytest.raises(ValueError, match=message):
        models.load(masked, head=head, **options)


@pytest.mark.parametrize("name", [None, "", 3, ["minilm"]])
def test_what_is_no_name_of_a_model(name):
    with pytest.raises(ValueError, match="name must be 'minilm'"):
        models.load(name)


def test_files_folders_and_misspelt_names(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file; give the folder"):
        models.load(tmp_path / "file")
    with pytest.raises(OSError, match=r"has no config.json"):
        models.load(tmp_path)
    with pytest.raises(OSError, match=r"Did you mean 'minilm'\?"):
        models.load("minlm")


def test_a_tokenizer_that_is_another_models(masked):
    with pytest.raises(OSError, match=r"There is no tokenizer in .* tokenizer.save_pretrained"):
        models.tokenizer(masked)
    models.tokenizer("pocket").save_pretrained(masked)
    with pytest.raises(ValueError, match=r"has [\d,]+ pieces, and the model has rows for 40"):
        models.tokenizer(masked)


def test_weights_under_other_names_are_not_taken_for_loaded(masked):
    from safetensors.torch import load_file, save_file

    weights = load_file(masked / "model.safetensors")
    renamed = {f"_orig_mod.{name}": tensor for name, tensor in weights.items()}
    save_file(renamed, masked / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"(\d+) of the encoder's \1 tensors are not in"):
        models.load(masked)
