"""The short answers under the chapters' titles: each has proofs below, and its lines run as they stand.

The lines are run offline on real, tiny, random models: where a box says ``"bert-base-uncased"``, a folder with such a
checkpoint is loaded. Everything else that a reader would have (a tokenizer, a batch, a model) is prepared here.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import datasets
import pytest
import torch
import transformers
from torch import nn

from tools import answers, editions, finder, outline
from tools.notebooks import BOOK

CHAPTERS = {chapter.name: chapter for chapters in outline.parts().values() for chapter in chapters}
ANSWERS = {name: answers.read(chapter.cells[0].source) for name, chapter in CHAPTERS.items()}
NAME = "bert-base-uncased"
WORDS, LINES = 60, 8
LONGER = {"forgetting/01_new_label": 15}
VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "text",
    "second",
    "longer",
    ",",
    ".",
    "##s",
    "one",
    "two",
    "three",
    "to",
    "be",
    "is",
    "not",
    "who",
    "the",
    "map",
    "shows",
]
SIZE = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.mark.parametrize("name", CHAPTERS)
def test_an_answer_is_short_and_each_line_is_shown(name: str):
    answer = ANSWERS[name]
    assert answer, "no short answer under the title"
    assert 10 <= answer.words <= WORDS
    assert len([line for line in answer.code.splitlines() if line.strip()]) <= LONGER.get(name, LINES)
    assert "helpers" not in answer.code
    assert len(answer.links) >= 2
    for link in answer.links:
        page, _, section = link.partition("#")
        target = (CHAPTERS[name].path.parent / page).resolve() if page else CHAPTERS[name].path
        chapter = CHAPTERS[target.relative_to(BOOK.resolve()).with_suffix("").as_posix()]
        assert section in finder.sections(chapter.name), link


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_lines_run(name: str, run: Callable[[str], SimpleNamespace]):
    run(name)


def test_the_body_of_the_pasted_classifier_stays(run: Callable[[str], SimpleNamespace], tmp_path: Path):
    model = run("freezing/01_what_moves").model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    rows = [{"input_ids": [2, 5 + i % 3, 3], "labels": i % 2} for i in range(8)]
    arguments = transformers.TrainingArguments(
        tmp_path / "out", max_steps=3, use_cpu=True, disable_tqdm=True, save_strategy="no"
    )
    transformers.Trainer(model, arguments, train_dataset=rows).train()
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"linear.weight", "linear.bias"}
    assert model.training
    assert not any(module.training for module in model.bert.modules())
    assert any(module.training for module in type(model).__mro__[1].train(model).bert.modules())  # without the override


def test_the_old_rows_of_the_last_layer_stay(run: Callable[[str], SimpleNamespace], tmp_path: Path):
    told = run("forgetting/01_new_label")
    assert torch.equal(told.model.classifier.weight[:3], told.old.weight)
    assert any(parameter is told.model.classifier.weight for parameter in told.optimizer.param_groups[0]["params"])
    told.model.save_pretrained(tmp_path / "saved")
    again = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert again.config.id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2", 3: "new label"}
    assert again.config.label2id["new label"] == again.num_labels - 1 == 3
    assert torch.equal(again.classifier.weight, told.model.classifier.weight)
    assert torch.isfinite(told.model(**told.batch, labels=torch.tensor([3, 0])).loss)


def test_scratch_and_fine_tuning_are_told_apart(run: Callable[[str], SimpleNamespace]):
    assert run("pretraining/01_from_scratch").printed.split() == ["False", "True"]
    assert "10.33 for 30,522" in ANSWERS["pretraining/01_from_scratch"].text
    assert f"{torch.tensor(30_522.0).log():.2f}" == "10.33"


def test_the_numbers_of_parameters_are_those_of_bert_base():
    code = ANSWERS["pretraining/02_further_pretraining"].code
    with torch.device("meta"):
        model = transformers.BertForSequenceClassification(transformers.BertConfig(num_labels=2))
    head = sum(parameter.numel() for parameter in model.classifier.parameters())
    assert re.findall(r"([\d,]+) parameters", code) == [f"{model.num_parameters():,}", f"{head:,}"]


def test_three_ways_train_what_they_say(run: Callable[[str], SimpleNamespace]):
    told = run("pretraining/02_further_pretraining")
    learns = [name for name, parameter in told.frozen.named_parameters() if parameter.requires_grad]
    assert learns == ["classifier.weight", "classifier.bias"]
    assert all(parameter.requires_grad for parameter in told.tuned.parameters())
    key = "encoder.layer.2.output.dense.weight"
    assert torch.equal(told.tuned.bert.state_dict()[key], told.words.bert.state_dict()[key])


def test_the_classes_take_the_labels_that_are_said(run: Callable[[str], SimpleNamespace]):
    told, (b, c, s) = run("heads/01_anatomy"), (2, 3, 5)
    comments = re.findall(
        r"^(BertFor\w+)\.from_pretrained\(name(?:, num_labels=(\d+))?\)  # (.*)$", told.code, re.MULTILINE
    )
    assert len(comments) == 7
    for head, labels, comment in comments:
        model = getattr(told, head).from_pretrained(told.name, **({"num_labels": int(labels)} if labels else {}))
        shape = (b, c, s) if head == "BertForMultipleChoice" else (b, s)
        names = re.findall(r"(labels|next_sentence_label|start_positions|end_positions) \((B,(?: S)?)\)", comment)
        targets = {name: torch.ones((b, s) if "S" in size else (b,), dtype=torch.long) for name, size in names}
        assert torch.isfinite(model(input_ids=torch.full(shape, 5), **targets).loss), head


def test_the_answer_is_cut_out_of_the_passage(run: Callable[[str], SimpleNamespace]):
    told = run("heads/06_question_answering")
    assert told.answer
    assert told.answer in told.passage


def test_own_rows_keep_the_class_called_none(run: Callable[[str], SimpleNamespace]):
    told = run("start/03_your_own_data")
    assert told.encoded["test"].features["label"].names == ["None", "good"]
    assert sorted(told.encoded["test"]["label"][:]) == [0, 0, 1, 1]


def test_forgetting_is_computed_as_defined(run: Callable[[str], SimpleNamespace]):
    told = run("forgetting/02_measuring")
    assert torch.isclose(told.average, torch.tensor((0.4 + 0.6 + 0.9) / 3))
    assert torch.isclose(told.forgetting, torch.tensor((0.5 + 0.2) / 2))
    assert torch.isclose(told.backward_transfer, torch.tensor((-0.5 - 0.2) / 2))


def test_students_do_not_read_the_answer():
    for chapter in CHAPTERS.values():
        told = editions.student(SimpleNamespace(cells=chapter.cells[:1]))
        assert answers.MARK not in told.cells[0].source
        assert chapter.question.split()[0] in told.cells[0].source
        assert "**You will learn to**" in told.cells[0].source


@pytest.fixture
def run(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], SimpleNamespace]:
    """Run the lines of a chapter's answer; gives what they defined, and what they printed."""
    monkeypatch.chdir(tmp_path)

    def now(name: str) -> SimpleNamespace:
        torch.manual_seed(0)
        code = ANSWERS[name].code
        assert code, "no lines to paste"
        names = prepared(name, tiny)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code.replace(f'"{NAME}"', repr(str(tiny))), name, "exec"), names)
        return SimpleNamespace(**{**names, "printed": printed.getvalue(), "code": code})

    return now


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of three layers with both heads of the pretraining, and a tokenizer of a few words."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(1)
    config = transformers.BertConfig(vocab_size=len(VOCABULARY), **SIZE)
    transformers.BertForPreTraining(config).save_pretrained(folder)
    vocabulary = {word: place for place, word in enumerate(VOCABULARY)}
    transformers.BertTokenizer(vocab=vocabulary, model_max_length=512).save_pretrained(folder)
    return folder


def prepared(name: str, folder: Path) -> dict:
    """What a reader has before the lines: imports, a tokenizer, a batch, a model, and what the topic adds."""
    from peft import LoraConfig, get_peft_model
    from sklearn.linear_model import LogisticRegression

    def classifier(**settings) -> transformers.BertForSequenceClassification:
        return transformers.AutoModelForSequenceClassification.from_pretrained(folder, **settings)

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(["a text", "a second longer text"], padding=True, return_tensors="pt")
    model = classifier(num_labels=3)
    labelled = {**batch, "labels": torch.tensor([0, 1])}
    common = {
        **{key: getattr(transformers, key) for key in NAMES},
        "torch": torch,
        "nn": nn,
        "LoraConfig": LoraConfig,
        "get_peft_model": get_peft_model,
        "LogisticRegression": LogisticRegression,
        "tokenizer": tokenizer,
        "batch": batch,
        "model": model,
        "optimizer": torch.optim.AdamW(model.parameters(), lr=1e-3),
        "loader": [labelled] * 8,
        "epochs": 2,
    }
    return common | TOPICS.get(name, lambda *_: {})(folder, common)


NAMES = [
    "AutoConfig",
    "AutoModel",
    "AutoModelForMaskedLM",
    "AutoModelForSequenceClassification",
    "AutoTokenizer",
    "BertForMaskedLM",
    "BertForMultipleChoice",
    "BertForNextSentencePrediction",
    "BertForPreTraining",
    "BertForQuestionAnswering",
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "Trainer",
    "TrainingArguments",
    "get_linear_schedule_with_warmup",
    "pipeline",
    "set_seed",
]


class BertBinaryClassifier(nn.Module):
    """The classifier that is pasted most often, on a real RoBERTa; with a loss, so that ``Trainer`` takes it."""

    def __init__(self, dropout: float = 0.1):
        super().__init__()
        config = transformers.RobertaConfig(vocab_size=30, max_position_embeddings=40, **SIZE)
        self.bert = transformers.RobertaModel(config)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(config.hidden_size, 1)

    def forward(self, input_ids, attention_mask=None, labels=None):
        pooled = self.bert(input_ids, attention_mask=attention_mask).pooler_output
        logits = self.linear(self.dropout(pooled)).squeeze(-1)
        loss = None if labels is None else nn.functional.binary_cross_entropy_with_logits(logits, labels.float())
        return {"loss": loss, "logits": logits}


def _rated(model: nn.Module, rate: float) -> float:
    """A loop of one step that a reader might have, and its score."""
    labelled = {"input_ids": torch.tensor([[2, 5, 3], [2, 6, 3]]), "labels": torch.tensor([0, 1])}
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    model(**labelled).loss.backward()
    optimizer.step()
    return (model(**labelled).logits.argmax(-1) == labelled["labels"]).float().mean().item()


def _own_data(folder: Path, common: dict) -> dict:
    rows = [("text,label"), *(f"a text {i},{'None' if i % 2 else 'good'}" for i in range(20))]
    Path("mine.csv").write_text("\n".join(rows), encoding="utf-8")
    return {"load_dataset": datasets.load_dataset}


def _serving(folder: Path, common: dict) -> dict:
    common["model"].save_pretrained("my-model")
    common["tokenizer"].save_pretrained("my-model")
    return {"texts": ["a text", "a second longer text " * 300]}


# What a chapter's lines use beyond what all have.
TOPICS: dict[str, Callable[[Path, dict], dict]] = {
    "start/02_text_to_tensors": lambda folder, _: {"model": transformers.AutoModel.from_pretrained(folder)},
    "heads/03_sentence_pairs": lambda *_: {"firsts": ["a text", "a map"], "seconds": ["the second text", "one two"]},
    "heads/04_multiple_choice": lambda *_: {"prompt": "the map shows", "endings": ["a text", "one", "two", "three"]},
    "heads/05_token_classification": lambda *_: {"words": ["the", "maps", "shows", "one"], "word_labels": [0, 1, 0, 2]},
    "heads/06_question_answering": lambda folder, _: {
        "model": transformers.BertForQuestionAnswering.from_pretrained(folder),
        "question": "who is the text",
        "passage": "the map shows two longer texts, not one.",
    },
    "freezing/01_what_moves": lambda *_: {"BertBinaryClassifier": BertBinaryClassifier},
    "freezing/02_frozen_vs_full": lambda *_: {"labels": [0, 1]},
    "freezing/03_in_between": lambda folder, _: {
        name: transformers.AutoModelForSequenceClassification.from_pretrained(folder) for name in ("biases", "other")
    },
    "optimization/03_learning_rate_and_seeds": lambda *_: {"train_and_validate": _rated},
    "forgetting/01_new_label": lambda *_: {"old_rows": [("a text", 0)], "new_rows": [("one map", 3)]},
    "forgetting/02_measuring": lambda *_: {"R": torch.tensor([[0.9, 0.1, 0.0], [0.7, 0.8, 0.1], [0.4, 0.6, 0.9]])},
    "forgetting/03_remedies": lambda _, common: {
        "new_batch": common["loader"][0],
        "old_batch": common["loader"][1],
        "strength": 0.1,
    },
    "practice/02_trainer_v5": lambda *_: {
        "train": [{"input_ids": [2, 5 + i % 3, 3], "labels": i % 2} for i in range(8)],
        "validation": [{"input_ids": [2, 5, 3], "labels": 0}] * 2,
    },
    "practice/03_scaling": lambda *_: {"device": "cpu"},
    "practice/04_serving": _serving,
    "start/03_your_own_data": _own_data,
}
