"""Scores against worked examples and against the implementations that papers report."""

from __future__ import annotations

import re
import string
from collections import Counter

import numpy as np
import pytest
import seqeval.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import metrics, uncertainty
from helpers.metrics import (
    Entity,
    answer_scores,
    entity_counts,
    entity_f1,
    entity_metrics,
    entity_scores,
    entity_spans,
    exact_match,
    normalise_answer,
    span_f1,
)

NAMES = ["O", "B-person", "I-person", "B-date", "I-date", "B-place", "I-place"]
# Any tags in any order: most such sequences are illegal.
TAGS = st.lists(st.sampled_from(NAMES), max_size=12)
PAIRS = st.lists(
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), min_size=1, max_size=10), min_size=1, max_size=5
)
SHARES = (metrics.precision_from_counts, metrics.recall_from_counts, metrics.f1_from_counts)


def test_spans_by_hand():
    assert entity_spans([]) == []
    assert entity_spans(["O", "O"]) == []
    assert entity_spans(["B-person", "I-person", "O", "B-date"]) == [Entity("person", 0, 2), Entity("date", 3, 4)]
    # Two of a kind side by side: only B tells them apart.
    assert entity_spans(["B-date", "B-date", "I-date"]) == [Entity("date", 0, 1), Entity("date", 1, 3)]


def test_illegal_sequences_begin_an_entity():
    assert entity_spans(["I-person", "I-person"]) == [Entity("person", 0, 2)]
    assert entity_spans(["B-person", "I-date"]) == [Entity("person", 0, 1), Entity("date", 1, 2)]
    assert entity_spans(["B-person", "O", "I-person"]) == [Entity("person", 0, 1), Entity("person", 2, 3)]


@pytest.mark.parametrize("tag", ["person", "B", "I-", "", "X-person", "o"])
def test_a_tag_of_another_scheme_is_refused(tag):
    with pytest.raises(ValueError, match="Tag 1 is"):
        entity_spans(["O", tag])


@settings(max_examples=300, deadline=None)
@given(TAGS)
def test_spans_are_those_of_seqeval(tags):
    from seqeval.metrics.sequence_labeling import get_entities

    assert [(e.kind, e.start, e.end - 1) for e in entity_spans(tags)] == get_entities(tags)


@settings(max_examples=200, deadline=None)
@given(PAIRS)
def test_scores_are_those_of_seqeval(pairs):
    truth = [[right for right, _ in sentence] for sentence in pairs]
    predicted = [[given for _, given in sentence] for sentence in pairs]
    ours = entity_scores(truth, predicted)
    assert entity_f1(truth, predicted) == pytest.approx(ours.loc["all", "f1"])
    if not any(entity_spans(tags) for tags in (*truth, *predicted)):
        assert ours.loc["all"].tolist() == [0, 0, 0, 0]  # seqeval refuses this
        return
    report = seqeval.metrics.classification_report(truth, predicted, output_dict=True, zero_division=0)
    theirs = {"all": report.pop("micro avg")} | {kind: row for kind, row in report.items() if " avg" not in kind}
    assert set(ours.index) == set(theirs)
    for kind, row in theirs.items():
        expected = [row["precision"], row["recall"], row["f1-score"], row["support"]]
        assert ours.loc[kind].tolist() == pytest.approx(expected), kind


def test_counts_by_hand():
    truth = [["B-person", "I-person", "O"], ["B-date", "O"], ["O"]]
    predicted = [["B-person", "O", "O"], ["B-date", "B-date"], ["B-place"]]
    assert entity_counts(truth, predicted).tolist() == [[0, 1, 1], [1, 2, 1], [0, 1, 0]]
    assert entity_counts(truth, predicted, "date").tolist() == [[0, 0, 0], [1, 2, 1], [0, 0, 0]]
    assert entity_f1(truth, predicted) == pytest.approx(2 * 1 / (4 + 2))
    assert metrics.f1_from_counts(np.zeros((4, 3))).tolist() == [0, 0, 0, 0]


def test_sentences_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="Sentence 0 has 2 words"):
        entity_counts([["O", "O"]], [["O"]])
    with pytest.raises(ValueError, match="zip"):
        entity_counts([["O"]], [])


def test_metrics_leave_unlabelled_places_out():
    labels = np.array([[-100, 1, -100, 2, 0, -100], [-100, 3, -100, -100, -100, -100]])
    classes = np.array([[4, 1, 6, 2, 0, 3], [5, 0, 4, 4, 4, 4]])
    logits = np.eye(len(NAMES))[classes]
    assert entity_metrics(NAMES)(labels, logits) == {"f1": pytest.approx(2 / 3), "accuracy": 0.75}


@pytest.mark.parametrize(
    ("predicted", "accepted", "exact", "f1"),
    [
        ("The Frogs!", ["frogs"], 1, 1),  # case, article and punctuation do not count
        ("because of the frogs", ["the frogs"], 0, 2 * (1 / 3) * 1 / (1 / 3 + 1)),
        ("because of frogs", ["the newts", "because of the frogs"], 1, 1),  # the answer that fits best
        ("40 quid", ["40 pounds", "forty quid", "quid"], 0, 2 / 3),
        ("Saint-Denis", ["SaintDenis"], 1, 1),  # punctuation goes without leaving a space
        ("Saint Denis", ["Saint-Denis"], 0, 0),
        ("red red red", ["red"], 0, 2 * (1 / 3) / (1 / 3 + 1)),  # a word counts as often as it is there
        ("blue red", ["red blue"], 0, 1),  # order does not count for F1
        ("£40", ["40"], 0, 0),  # only ASCII punctuation is taken off
        ("theatre", ["the atre"], 0, 0),  # an article is a word of its own
        ("", ["frogs"], 0, 0),
        ("", [], 1, 1),  # no answer, and none given
        ("frogs", [], 0, 0),
        ("the", [], 1, 1),  # nothing is left of it
        ("", ["the", "!"], 1, 1),  # nothing is left of the answers either
        ("frogs", ["the", "frogs"], 1, 1),
    ],
)
def test_answers_by_hand(predicted, accepted, exact, f1):
    assert exact_match(accepted, predicted) == exact
    assert span_f1(accepted, predicted) == pytest.approx(f1)


def squad_script(predicted: str, accepted: list[str]) -> tuple[int, float]:
    """What SQuAD's script, evaluate-v2.0.py, computes for one question."""

    def normalize(text):
        text = "".join(ch for ch in text.lower() if ch not in set(string.punctuation))
        return " ".join(re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", text).split())

    def f1(gold, given):
        gold, given = normalize(gold).split(), normalize(given).split()
        same = sum((Counter(gold) & Counter(given)).values())
        if len(gold) == 0 or len(given) == 0:
            return int(gold == given)
        if same == 0:
            return 0
        precision, recall = 1.0 * same / len(given), 1.0 * same / len(gold)
        return (2 * precision * recall) / (precision + recall)

    golds = [text for text in accepted if normalize(text)] or [""]
    return max(int(normalize(g) == normalize(predicted)) for g in golds), max(f1(g, predicted) for g in golds)


ANSWER = st.one_of(
    st.text(max_size=12),
    st.lists(st.sampled_from(["the", "A", "an", "frog", "frogs", "pond", "pond.", "£40", "40", "-", "é"])).map(
        " ".join
    ),
)


@settings(max_examples=300, deadline=None)
@given(ANSWER, st.lists(ANSWER, max_size=4))
def test_answers_are_scored_as_the_squad_script_does(predicted, accepted):
    exact, f1 = squad_script(predicted, accepted)
    assert exact_match(accepted, predicted) == exact
    assert span_f1(accepted, predicted) == pytest.approx(f1)
    assert 0 <= exact <= span_f1(accepted, predicted) <= 1
    assert normalise_answer(normalise_answer(predicted)) == normalise_answer(predicted)


def test_answer_scores_are_a_row_a_question():
    answers = [{"text": ["the frogs", "frogs"]}, {"text": []}, {"text": ["a pond"]}]
    table = answer_scores(answers, ["frogs", "frogs", "pond life"])
    assert table.columns.tolist() == ["exact_match", "f1", "answerable"]
    assert table.values.tolist() == [[1, 1, True], [0, 0, False], [0, pytest.approx(2 / 3), True]]
    with pytest.raises(ValueError, match="zip"):
        answer_scores(answers, ["frogs"])


def test_label_counts_by_hand():
    truth, predicted = np.array([1, 0, 1, 0]), np.array([True, True, False, False])
    counts = metrics.label_counts(truth, predicted)
    assert counts.tolist() == [[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert [score(counts.sum(axis=0)) for score in SHARES] == [0.5] * 3
    assert metrics.label_counts(np.eye(3), np.ones((3, 3))).tolist() == [[1, 3, 1]] * 3
    assert [score(np.zeros(3)).tolist() for score in SHARES] == [0] * 3
    with pytest.raises(ValueError, match="shape"):
        metrics.label_counts(truth, predicted[:3])


LOGITS = st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.integers(0, 1)), min_size=2, max_size=30).map(
    lambda rows: (np.array([row[:2] for row in rows]), np.array([row[2] for row in rows]))
)


@settings(max_examples=100, deadline=None)
@given(LOGITS, st.sampled_from([0.2, 0.5, 0.9]))
def test_binary_metrics_are_those_of_scikit_learn(rows, threshold):
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    logits, labels = rows
    if labels.sum() == 0:
        return
    given = torch.tensor(logits).softmax(-1)[:, 1].numpy()
    if np.abs(given - threshold).min() < 1e-9:
        return
    found = metrics.binary_metrics(threshold)(labels, logits)
    expected = precision_recall_fscore_support(labels, given >= threshold, average="binary", zero_division=0)
    assert [found[name] for name in ("precision", "recall", "f1")] == pytest.approx(expected[:3])
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, given >= threshold))
    one = metrics.margins(logits)[:, None]
    assert metrics.binary_metrics(threshold)(labels[:, None], one) == pytest.approx(found)


def test_margins_refuse_three_outputs():
    with pytest.raises(ValueError, match="got 3"):
        metrics.margins(np.zeros((2, 3)))


@settings(max_examples=100, deadline=None)
@given(LOGITS)
def test_no_threshold_beats_the_best(rows):
    logits, labels = rows
    logits = logits.round(1).clip(-5, 5)
    if labels.sum() == 0:
        return
    best = metrics.best_threshold(labels, logits)
    highest = metrics.binary_metrics(best)(labels, logits)["f1"]
    assert 0 < best < 1
    for threshold in np.linspace(0, 1, 21):
        assert metrics.binary_metrics(threshold)(labels, logits)["f1"] <= highest + 1e-9


def test_best_threshold_by_hand():
    yes = np.array([[-2.0], [-1.0], [0.0], [2.0]])
    threshold = metrics.best_threshold(np.array([0, 0, 1, 1]), yes)
    assert threshold == pytest.approx((1 / (1 + np.e) + 0.5) / 2)
    assert metrics.best_threshold(np.ones(4), yes) == pytest.approx(1 / (1 + np.e**2) / 2)


def test_multi_label_metrics_are_those_of_scikit_learn():
    from sklearn.metrics import accuracy_score, f1_score

    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(40, 4)), (rng.random((40, 4)) < 0.4).astype(np.float32)
    found = metrics.multi_label_metrics()(labels, logits)
    assert found["f1"] == pytest.approx(f1_score(labels, logits >= 0, average="micro"))
    assert found["exact"] == pytest.approx(accuracy_score(labels, logits >= 0))
    assert metrics.multi_label_metrics(1.0)(labels, logits)["f1"] == 0


NUMBERS = st.lists(st.tuples(st.floats(-9, 9), st.integers(1, 5)), min_size=3, max_size=30)


@settings(max_examples=100, deadline=None)
@given(NUMBERS)
def test_regression_metrics_are_those_of_scipy(pairs):
    from scipy.stats import pearsonr, spearmanr

    predicted, truth = np.array(pairs, dtype=np.float32).T
    found = metrics.regression_metrics(truth, predicted[:, None])
    assert found["mae"] == pytest.approx(np.abs(predicted - truth).mean(), abs=1e-5)
    if min(np.ptp(predicted), np.ptp(truth)) < 1e-3:
        return
    assert found["pearson"] == pytest.approx(pearsonr(predicted.astype(float), truth.astype(float))[0], abs=1e-6)
    assert found["spearman"] == pytest.approx(spearmanr(predicted, truth)[0], abs=1e-6)


def test_correlation_with_a_constant_is_nan():
    found = metrics.regression_metrics(np.arange(4.0), np.full(4, 3.0))
    assert found["mae"] == 2 * (3 + 2 + 1 + 0) / 8
    assert np.isnan(found["pearson"])
    assert np.isnan(found["spearman"])


def test_interval_of_a_correlation_contains_it():
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    y = x + rng.normal(size=200)
    low, high = uncertainty.interval(metrics.moments(y, x), score=metrics.pearson_from_moments)[1:]
    # Fisher's transformation: artanh(r) ± 1.96 / sqrt(n - 3)
    centre = np.arctanh(np.corrcoef(x, y)[0, 1])
    expected = np.tanh(centre + np.array([-1.96, 1.96]) / np.sqrt(197))
    assert (low, high) == pytest.approx(tuple(expected), abs=0.03)


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("S-x O B-x E-x", [("x", 0, 1), ("x", 2, 4)]),
        ("B-x I-x E-x S-x", [("x", 0, 3), ("x", 3, 4)]),
        ("U-x U-x B-y L-y", [("x", 0, 1), ("x", 1, 2), ("y", 2, 4)]),
        ("E-x I-x O I-y E-x", [("x", 0, 1), ("x", 1, 2), ("y", 3, 4), ("x", 4, 5)]),
    ],
)
def test_tags_with_ends_and_single_words_are_read_too(tags, spans):
    assert [tuple(entity) for entity in metrics.entity_spans(tags.split())] == spans


@given(st.lists(st.sampled_from(["O", "B-x", "I-x", "B-y", "I-y"]), max_size=12))
def test_iobes_says_what_bio_says(tags):
    """Written with ends, the same entities come out."""
    entities = metrics.entity_spans(tags)
    written = ["O"] * len(tags)
    for kind, start, end in entities:
        for place in range(start, end):
            written[place] = (
                f"{'S' if end - start == 1 else 'B' if place == start else 'E' if place == end - 1 else 'I'}-{kind}"
            )
    assert metrics.entity_spans(written) == entities
