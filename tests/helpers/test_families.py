"""Which model families work where? Nine tiny random models, sixteen things a reader does: each works or is refused.

The table ``book/practice/families.md`` is held to this one.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers
from datasets import ClassLabel, Dataset, Features, List, Value
from transformers import PreTrainedTokenizerFast

from helpers import architecture, batching, evaluation, features, freezing, heads, models, optimizers, training
from helpers.batching.choices import ChoiceCollator, encode_choices
from helpers.batching.language import MaskingCollator, masked_loss
from helpers.batching.spans import SpanCollator, encode_questions
from helpers.batching.words import WordCollator, encode_words

SIZE = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 34,
}
FAMILIES = {
    "BERT": lambda: transformers.BertConfig(**SIZE),
    "DistilBERT": lambda: transformers.DistilBertConfig(
        vocab_size=40, dim=16, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=34
    ),
    "RoBERTa": lambda: transformers.RobertaConfig(**SIZE, pad_token_id=1),
    "XLM-R": lambda: transformers.XLMRobertaConfig(**SIZE, pad_token_id=1),
    "ALBERT": lambda: transformers.AlbertConfig(**SIZE, embedding_size=8),
    "ELECTRA": lambda: transformers.ElectraConfig(**SIZE, embedding_size=8),
    "DeBERTa-v2": lambda: transformers.DebertaV2Config(
        **SIZE,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_buckets=8,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        position_biased_input=False,
    ),
    "MPNet": lambda: transformers.MPNetConfig(**SIZE, pad_token_id=1),
    "ModernBERT": lambda: transformers.ModernBertConfig(
        **SIZE, pad_token_id=0, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3
    ),
}
ONE_LAYER = "uses one layer's weights for all"
# What does not work, and the words that say so. Everything else works.
REFUSED = {
    ("ALBERT", "unfreeze_top"): ONE_LAYER,
    ("ALBERT", "gradual"): ONE_LAYER,
    ("ALBERT", "reinit_top"): ONE_LAYER,
    ("ALBERT", "layerwise"): ONE_LAYER,
}
WORDS = ["red", "green", "apple", "pear", "runs", "sings", "the", "a", "not", "very", "blue"]
TEXTS = [
    "the red apple runs",
    "a green pear sings",
    "the pear",
    "not a very red pear",
    "the blue apple",
    "a apple sings",
]


def tokenizer_for(config):
    """Words, split at blanks; the padding has the id that the configuration names."""
    from tokenizers import Tokenizer, pre_tokenizers, processors
    from tokenizers import models as kinds

    pad = config.pad_token_id
    names = {pad: "[PAD]", 1 - pad: "[UNK]", 2: "[CLS]", 3: "[SEP]", 4: "[MASK]"}
    vocabulary = {names[i]: i for i in range(5)} | {word: i + 5 for i, word in enumerate(WORDS)}
    vocabulary |= {f"[unused{i}]": i for i in range(len(vocabulary), 40)}
    backend = Tokenizer(kinds.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        **{f"{name.lower()}_token": f"[{name}]" for name in ("PAD", "UNK", "CLS", "SEP", "MASK")},
        model_max_length=32,
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with encoder and tokenizer for each family."""
    folders = {}
    for name, config in FAMILIES.items():
        torch.manual_seed(0)
        folders[name] = str(tmp_path_factory.mktemp(name))
        built = config()
        transformers.AutoModel.from_config(built).save_pretrained(folders[name])
        tokenizer_for(built).save_pretrained(folders[name])
    return folders


def rows():
    types = Features(text=Value("string"), label=ClassLabel(names=["a", "b"]))
    return Dataset.from_dict({"text": TEXTS, "label": [0, 1, 1, 1, 0, 0]}, types)


class Case:
    """A family's folder, and what the chapters do with it."""

    def __init__(self, folder):
        self.folder = folder
        self.tokenizer = models.tokenizer(folder)

    def classifier(self, **config):
        torch.manual_seed(1)
        return models.load(self.folder, head="classification", labels=["a", "b"], **config)

    def loader(self):
        return batching.batches(batching.encode(rows(), self.tokenizer), self.tokenizer, 3)

    def moved(self, model, loader=None, loss=None):
        """The names of the parameters that a run changes."""
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        training.fit(
            model, loader or self.loader(), epochs=1, learning_rate=1e-2, warmup_ratio=0, weight_decay=0.0, loss=loss
        )
        return {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}

    def load(self):
        body = models.load(self.folder)
        assert architecture.body(self.classifier()) is not body
        assert self.tokenizer.model_max_length == (32 if body.config.pad_token_id == 1 else 34)
        assert torch.equal(
            body.get_input_embeddings().weight, architecture.body(self.classifier()).get_input_embeddings().weight
        )

    def encode(self):
        encoded = batching.encode(rows(), self.tokenizer)
        assert len(encoded["input_ids"][0]) == 6
        assert evaluation.predict(self.classifier(), self.loader()).logits.shape == (6, 2)

    def fit(self):
        model = self.classifier()
        moved = self.moved(model)
        assert {"classifier" in name for name in moved} == {True, False}

    def freeze_body(self):
        model = self.classifier()
        freezing.freeze_body(model)
        moved = self.moved(model)
        assert moved
        assert not moved & set(architecture.body_parts(model))

    def unfreeze_top(self):
        model = self.classifier()
        freezing.unfreeze_top(model, 1)
        parts = architecture.body_parts(model)
        moved = {parts.get(name, "head") for name in self.moved(model)}
        assert {"layer 1", "head"} <= moved <= {"layer 1", "head", "pooler", "final norm"}
        for name, part in parts.items():
            if part in ("pooler", "final norm"):
                assert dict(model.named_parameters())[name].requires_grad

    def gradual(self):
        model = self.classifier()
        stages = [sum(p.requires_grad for p in model.parameters()) for _ in freezing.gradual(model)]
        assert stages == sorted(set(stages))
        assert stages[-1] == len(list(model.parameters()))

    def reinit_top(self):
        model = self.classifier()
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        drawn = freezing.reinit_top(model, 1)
        changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
        assert changed
        assert changed <= set(drawn)
        assert not any("layer.0." in name or "layers.0." in name or "mbeddings" in name for name in changed)

    def layerwise(self):
        model = self.classifier()
        groups = optimizers.layerwise(model, 1e-3, factor=0.5)
        assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
        assert {group["lr"] for group in groups} == {1e-3, 5e-4, 2.5e-4}

    def lora(self):
        model = freezing.lora(self.classifier(), rank=2)
        moved = self.moved(model)
        assert any("lora_" in name for name in moved)
        assert all("lora_" in name or "modules_to_save" in name for name in moved)

    def add_label(self):
        model = self.classifier()
        assert heads.add_label(model, "c") == 2
        assert evaluation.predict(model, self.loader()).logits.shape == (6, 3)

    def pooled(self):
        torch.manual_seed(1)
        model = models.load(self.folder, head=heads.PooledClassifier, labels=["a", "b"], pooling="mean")
        assert model.bert is architecture.body(model)
        freezing.freeze_body(model)
        cached = features.cache_features(model, self.loader())
        assert cached.vectors.shape == (6, 16)
        assert not self.moved(model) & set(architecture.body_parts(model))

    def words(self):
        tags = Features(tokens=List(Value("string")), ner_tags=List(ClassLabel(names=["O", "B-x"])))
        split = Dataset.from_dict(
            {
                "tokens": [text.split() for text in TEXTS],
                "ner_tags": [[0, 1, *[0] * (len(text.split()) - 2)] for text in TEXTS],
            },
            tags,
        )
        encoded = encode_words(split, self.tokenizer)
        model = models.load(self.folder, head="token-classification", labels=["O", "B-x"])
        assert self.moved(model, batching.batches(encoded, self.tokenizer, 3, collate=WordCollator(self.tokenizer)))

    def spans(self):
        answers = [{"text": [text.split()[1]], "answer_start": [text.index(" ") + 1]} for text in TEXTS]
        split = Dataset.from_dict({"question": ["the apple"] * 6, "context": TEXTS, "answers": answers})
        encoded = encode_questions(split, self.tokenizer, max_length=16, stride=2)
        model = models.load(self.folder, head="question-answering")
        assert self.moved(model, batching.batches(encoded, self.tokenizer, 3, collate=SpanCollator(self.tokenizer)))

    def choices(self):
        split = Dataset.from_dict({"prompt": TEXTS, "choices": [["red", "blue"]] * 6, "label": [0, 1] * 3})
        encoded = encode_choices(split, self.tokenizer)
        model = models.load(self.folder, head="multiple-choice")
        assert self.moved(model, batching.batches(encoded, self.tokenizer, 3, collate=ChoiceCollator(self.tokenizer)))

    def masked_words(self):
        torch.manual_seed(0)
        model = models.load(self.folder, head="masked-lm").eval()
        encoded = batching.encode(rows().remove_columns("label"), self.tokenizer)
        collate = MaskingCollator(self.tokenizer, probability=0.5)
        batch = dict(next(iter(batching.batches(encoded, self.tokenizer, 6, collate=collate))))
        with torch.no_grad():
            assert masked_loss(model, batch).item() == pytest.approx(model(**batch).loss.item(), rel=1e-4)

    def save_and_reload(self, tmp_path):
        for head in ("classification", heads.PooledClassifier):
            torch.manual_seed(1)
            model = models.load(self.folder, head=head, labels=["a", "b"])
            model.save_pretrained(tmp_path)
            self.tokenizer.save_pretrained(tmp_path)
            again = models.load(str(tmp_path), head="classification")
            assert again.config.id2label == {0: "a", 1: "b"}
            expected = evaluation.predict(model, self.loader()).logits
            assert (evaluation.predict(again, self.loader()).logits == expected).all()


DEEDS = [name for name in vars(Case) if not name.startswith("_") and name not in ("classifier", "loader", "moved")]


@pytest.fixture(autouse=True)
def _fp32(monkeypatch):
    monkeypatch.setenv("HELPERS_PRECISION", "fp32")


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_it_works_or_says_why_not(family, deed, saved, tmp_path):
    case = Case(saved[family])

    def run():
        getattr(case, deed)(*([tmp_path] if deed == "save_and_reload" else []))

    if (family, deed) in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[family, deed]) as error:
            run()
        assert "\n" not in str(error.value)
    else:
        run()


def test_the_page_says_what_these_tests_say():
    page = (Path(__file__).parents[2] / "book" / "practice" / "families.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("|")]
    names = [cell.strip(" `") for cell in lines[0].strip("|").split("|")][1:]
    table = {}
    for line in lines[2:]:
        family, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        table |= {(family, name.replace(" ", "_")): cell for name, cell in zip(names, cells, strict=True)}
    assert table == {(f, d): "refused" if (f, d) in REFUSED else "✔" for f in FAMILIES for d in DEEDS}
