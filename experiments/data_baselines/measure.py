"""How is a row of a data set measured?"""

from __future__ import annotations

from typing import Any

from experiments.data_baselines.baselines import SCORES, accuracy, answerable, pearson
from experiments.data_baselines.setting import Setting
from experiments.kit.training import fit
from helpers import batching, data, evaluation, heads, metrics, models, passages, runtime
from helpers.batching import choices, spans, words


def measure(setting: Setting) -> dict[str, float]:
    """The test ``score`` of one fine-tuning."""
    return fine_tuned(setting, setting.data)


def fine_tuned(setting: Any, like: str) -> dict[str, float]:
    """Test ``score`` of the encoder, fully fine-tuned on the training split; of ``passages``, ``exact_match``, too.

    ``like`` is the shipped set that has the same task.
    """
    seed, length, size = setting.seed, setting.max_length, setting.batch_size
    runtime.start(seed)
    splits = data.load(setting.data)
    tokenizer = models.tokenizer(setting.encoder)
    test = splits["test"]

    if like == "passages":
        return _reader(splits, tokenizer, setting)

    def run(head, encode, collate=None, **config):
        model = models.load(setting.encoder, head=head, **config)
        encoded = {split: encode(splits[split]) for split in ("train", "test")}
        train = batching.batches(encoded["train"], tokenizer, size, shuffle=True, seed=seed, collate=collate)
        fit(model, train, epochs=setting.epochs, learning_rate=setting.learning_rate)
        loader = batching.batches(encoded["test"], tokenizer, 32, collate=collate)
        return evaluation.predict(model, loader), encoded["test"]

    if like == "entities":
        names = data.labels(test, "ner_tags")
        found, encoded = run(
            "token-classification",
            lambda s: words.encode_words(s, tokenizer, length),
            words.WordCollator(tokenizer),
            labels=names,
        )
        tags = [[names[i] for i in row] for row in words.word_predictions(found.classes, encoded)]
        return {"score": metrics.entity_f1([[names[i] for i in row] for row in test["ner_tags"]], tags)}
    if like == "choices":
        found, _ = run(
            "multiple-choice",
            lambda s: choices.encode_choices(s, tokenizer, length),
            choices.ChoiceCollator(tokenizer),
        )
        return {"score": accuracy(found.labels, found.classes)}
    # MiniLM was pretrained to be read by the mean of its last hidden states.
    head, encode = heads.PooledClassifier, lambda s: batching.encode(s, tokenizer, length)
    if like in ("reviews:stars", "paraphrases:similarity"):
        found, _ = run(head, encode, pooling="mean", num_labels=1, problem_type="regression")
        return {"score": pearson(found.labels, found.logits.squeeze(-1))}
    found, _ = run(head, encode, pooling="mean", labels=data.labels(test))
    return {"score": SCORES.get(like, accuracy)(found.labels, found.classes)}


def _reader(splits, tokenizer, setting: Any) -> dict[str, float]:
    """Span F1 of MiniLM twice: as it comes it finds the sentence closest to the question; fine-tuned it reads it."""
    held = passages.answer_sentences(splits["train"])
    answered = {row: sentence for row, sentence in enumerate(held) if sentence}
    train = passages.narrow(splits["train"].select(answered), list(answered.values()))
    closest = passages.closest_sentences(models.load(setting.encoder), tokenizer, splits["test"])
    test = passages.narrow(splits["test"], closest)
    collate = spans.SpanCollator(tokenizer)
    # No dropout in the attention: with it, PyTorch can not use its fast attention on a CPU.
    model = models.load(setting.encoder, head="question-answering", attention_probs_dropout_prob=0.0)
    encoded = {
        name: spans.encode_questions(split, tokenizer, setting.max_length)
        for name, split in (("train", train), ("test", test))
    }
    batches = batching.batches(
        encoded["train"], tokenizer, setting.batch_size, shuffle=True, seed=setting.seed, collate=collate
    )
    fit(model, batches, epochs=setting.epochs, learning_rate=setting.learning_rate)
    found = evaluation.predict(model, batching.batches(encoded["test"], tokenizer, 32, collate=collate))
    answers = spans.best_spans(found.logits, encoded["test"], test)
    return answerable(splits["test"], [answer.text for answer in answers])
