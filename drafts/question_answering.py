# %% [markdown]
# Where is the answer?

*How does a model that scores word pieces answer a question with a piece of text, and how does it say that there is none?*

An extractive model does not write. It points: the answer starts here and ends there. The head is two numbers a word
piece, the smallest of all. The work is around it: characters must become pieces and pieces characters again, long
passages must be cut, and somebody has to decide what two rows of numbers mean. Each of these steps can go wrong
without a word, and here each does, in a cell.

**You will learn to**

- turn an answer's characters into positions of word pieces, and back;
- cut long passages into overlapping windows without losing an answer;
- tell which positions the loss ignores, and which it quietly trains as "no answer";
- decode the best legal span, and decide when to give none;
- score answers as SQuAD does, against baselines that hardly read.

**Time** · measured when the book is built

**Builds on** · [Eight heads, one body](01_anatomy.ipynb)

# %% [markdown]
## Setup

# %% nbval-ignore-output
@@INSTALL@@

# %% nbval-ignore-output
from helpers import runtime

run = runtime.start(seed=0)

# %%
import re

import numpy as np
import pandas as pd
import torch
import transformers

from helpers import batching, data, evaluation, figures, metrics, models, training
from helpers.batching.spans import NO_ANSWER, NOT_PASSAGE, Answer, SpanBatches, best_spans, encode_questions
from helpers.claims import check_exercise, claim

# %% [markdown]
## The data

`passages` has short invented texts and five questions to each. The answer is a stretch of the text. Some questions
have none: they ask for something that stands next to what is told. No passage lies in two splits.

# %%
passages = data.load("passages")
tokenizer = models.tokenizer("minilm")

example = passages["train"][10]
print(example["context"], "\n")
print(example["question"], "→", example["answers"])

# %%
sizes = pd.DataFrame(
    {
        split: {
            "questions": len(rows),
            "passages": len(set(rows["context"])),
            "unanswerable": sum(not answer["text"] for answer in rows["answers"]),
            "longest, in pieces": max(map(len, tokenizer(rows["question"][:], rows["context"][:])["input_ids"])),
        }
        for split, rows in passages.items()
    }
).T
sizes

# %% [markdown]
An answer comes as text and as the position of its first *character*. There may be several; any of them is right, and
the first is used for training.

## From characters to pieces

The model never sees a character. The tokenizer can say which characters each piece was made of: its *offsets*.

# %%
question, context = example["question"], example["context"]
text, start = example["answers"]["text"][0], example["answers"]["answer_start"][0]
inputs = tokenizer(question, context, return_offsets_mapping=True)
pieces = tokenizer.convert_ids_to_tokens(inputs["input_ids"])
shown = slice(6, 22)
pd.DataFrame(
    {
        "piece": pieces[shown],
        "sequence": [{None: "special", 0: "question", 1: "passage"}[kind] for kind in inputs.sequence_ids(0)[shown]],
        "characters": [f"{a} … {b}" for a, b in inputs["offset_mapping"][shown]],
        "in the answer": [
            kind == 1 and a < start + len(text) and b > start
            for kind, (a, b) in zip(inputs.sequence_ids(0)[shown], inputs["offset_mapping"][shown])
        ],
    },
    index=range(shown.start, shown.stop),
)

# %% [markdown]
Offsets count within their own sequence, so character 8 is there twice: once in the question, once in the passage. Who
forgets to look at `sequence_ids` marks a piece of the question.

The labels are the positions of the first and the last piece that share a character with the answer.
`helpers.batching.spans.encode_questions` does this for a whole split. The windows it speaks of come next; for now, one
that every passage fits into.

# %%
whole = encode_questions(passages["train"], tokenizer, max_length=512, stride=0)
row = whole[10]
print(row["start_positions"], row["end_positions"], "→", pieces[row["start_positions"] : row["end_positions"] + 1])

# %% [markdown]
**Predict before you run.** Going back, you can glue the pieces together with `tokenizer.decode`, or cut the passage at
the offsets. Does the first way give the same text?

<details><summary>Answer</summary>

Not always. The pieces are in lower case, and they do not know where a space was.

</details>

# %%
answerable = [i for i, answer in enumerate(passages["train"]["answers"]) if answer["text"]]


def glued(row: dict) -> str:
    """The labelled pieces, put together by the tokenizer."""
    return tokenizer.decode(row["input_ids"][row["start_positions"] : row["end_positions"] + 1])


def cut(row: dict) -> str:
    """The characters of the passage between the offsets of the first and the last labelled piece."""
    (first, _), (_, last) = row["offsets"][row["start_positions"]], row["offsets"][row["end_positions"]]
    return passages["train"][row["row"]]["context"][first:last]


marked = {i: passages["train"][i]["answers"]["text"][0] for i in answerable}
recovered = pd.DataFrame(
    {
        way.__name__: {
            "the same text": np.mean([way(whole[i]) == marked[i] for i in answerable]),
            "an exact match": np.mean([metrics.exact_match(way(whole[i]), [marked[i]]) for i in answerable]),
        }
        for way in (glued, cut)
    }
).T
figures.table(recovered, 3)

# %%
broken = [i for i in answerable if not metrics.exact_match(glued(whole[i]), [marked[i]])]
for i in broken[:4]:
    print(f"{marked[i]!r} became {glued(whole[i])!r}")
claim(
    "Cut out at its offsets, every answer comes back exactly; glued together from pieces, one in ten or more does not",
    bool((recovered.loc["cut"] == 1).all()) and recovered.loc["glued", "the same text"] < 0.9,
    cut=recovered.loc["cut", "the same text"],
    glued=recovered.loc["glued", "the same text"],
)

# %% [markdown]
Scoring, which comes later, forgives a lower case. It does not forgive a space within a number or a name: there a model
can be right about both positions and still lose the point.

## Passages longer than the window

Attention costs grow with the square of the length, and BERT has 512 positions. So long passages are cut.
`truncation="only_second"` cuts the passage and never the question.

**Predict before you run.** With windows of 128 pieces, what does plain truncation do to the answers of the longer
passages? And what happens if the passage is instead cut into windows that follow each other without overlap?

<details><summary>Answer</summary>

Truncation loses every answer behind the cut: a good part of them. Windows without overlap lose only the answers that
lie across a seam. Those are few, and with enough overlap there are none.

</details>

# %%
MAX_LENGTH = 128


def lost(encoded) -> int:
    """How many answers lie whole in no window."""
    held = {row for row, first in zip(encoded["row"], encoded["start_positions"]) if first != NO_ANSWER}
    return len(set(answerable) - held)


def first_windows(encoded):
    """Of each passage the first window alone: what truncation leaves."""
    rows = encoded["row"][:]
    return encoded.select([i for i, row in enumerate(rows) if row not in rows[:i]])


ways = {"truncated": first_windows(encode_questions(passages["train"], tokenizer, MAX_LENGTH, stride=0))}
for stride in (0, 4, 8, 16, 32):
    ways[f"windows, stride {stride}"] = encode_questions(passages["train"], tokenizer, MAX_LENGTH, stride=stride)
windows = pd.DataFrame(
    {
        name: {
            "windows": len(encoded),
            "pieces": sum(map(len, encoded["input_ids"])),
            "answers lost": lost(encoded),
        }
        for name, encoded in ways.items()
    }
).T
windows

# %%
longest = max(row["end_positions"] - row["start_positions"] + 1 for row in whole)
claim(
    "Truncation loses more than a tenth of the answers; a stride as long as the longest answer loses none",
    windows.loc["truncated", "answers lost"] > 0.1 * len(answerable)
    and windows.loc["windows, stride 32", "answers lost"] == 0
    and 32 >= longest,
    lost_by_truncation=int(windows.loc["truncated", "answers lost"]),
    lost_at_stride_0=int(windows.loc["windows, stride 0", "answers lost"]),
    lost_at_stride_32=int(windows.loc["windows, stride 32", "answers lost"]),
    answers=len(answerable),
    longest_answer_in_pieces=longest,
)

# %% [markdown]
*Stride* is a word with two meanings. In Google's script for BERT it is how far the window moves. In the tokenizer, and
here, it is how much two neighbours share. An answer of at most `stride` pieces can not fall between two windows,
because it would have to be longer than what they share.

# %%
STRIDE = 32
encoded = {split: encode_questions(rows, tokenizer, MAX_LENGTH, STRIDE) for split, rows in passages.items()}
counts = pd.Series(encoded["train"]["row"][:]).value_counts()
shown = next(i for i in answerable if counts[i] == 5)
with figures.figure(
    "Every window sees the question and a stretch of the passage; some of them see the answer",
    "Bars, one for each window of a long passage, against the position in the passage in characters. Neighbours "
    "overlap. A vertical band marks the answer; the windows that hold it whole have another colour.",
    size=(7, 2.4),
) as axes:
    at = [window for window, row in enumerate(encoded["train"]["row"]) if row == shown]
    for height, window in enumerate(at):
        row = encoded["train"][window]
        spans = [piece for piece in row["offsets"] if tuple(piece) != NOT_PASSAGE]
        holds = row["start_positions"] != NO_ANSWER
        axes.barh(height, spans[-1][1] - spans[0][0], left=spans[0][0], color=figures.COLOURS[0 if holds else 4])
    answer = passages["train"][shown]["answers"]
    first, last = answer["answer_start"][0], answer["answer_start"][0] + len(answer["text"][0])
    axes.axvspan(first, last, color=figures.COLOURS[1], alpha=0.8)
    axes.set_yticks(range(len(at)), [f"window {i + 1}" for i in range(len(at))])
    axes.invert_yaxis()
    axes.set_xlabel("position in the passage (characters)")

# %% [markdown]
Cutting has a price: most windows of a long passage do not hold the answer. What should they be taught? The truth about
a window is that the answer is not in it. So it gets the same label as a question without an answer: both positions at
`[CLS]`, position 0.

# %%
labels = np.array(encoded["train"]["start_positions"])
without = np.isin(encoded["train"]["row"], answerable) & (labels == NO_ANSWER)
pd.Series(
    {
        "window holds the answer": int((labels != NO_ANSWER).sum()),
        "question has an answer, in another window": int(without.sum()),
        "question has no answer": int((labels == NO_ANSWER).sum() - without.sum()),
    },
    name="windows",
).to_frame()

# %% [markdown]
## What happens to illegal positions

In token classification, −100 means "leave this out". Many people carry that over and label the windows without an
answer with −100, or with −1.

**Predict before you run.** Which of these positions does the loss leave out: −1, −100, the length of the batch, one
thousand?

<details><summary>Answer</summary>

The last two. The model clamps positions to between 0 and the length S, and ignores S. So −1 and −100 become 0, and
that is `[CLS]`: you have trained "no answer".

</details>

# %%
torch.manual_seed(0)
model = models.load("minilm", head="question-answering").to(run.device)
collate = SpanBatches(tokenizer)


def first_batch(rows: list[int]) -> dict[str, torch.Tensor]:
    """These windows of the training split as one batch."""
    (batch,) = batching.loader(encoded["train"].select(rows), tokenizer, len(rows), collate=collate)
    return {name: tensor.to(run.device) for name, tensor in batch.items()}


def loss_at(batch: dict, starts: list[int], ends: list[int] | None = None) -> tuple[float, float]:
    """The loss for these labels, and the norm of the gradient of the head."""
    positions = {"start_positions": torch.tensor(starts), "end_positions": torch.tensor(ends or starts)}
    model.zero_grad()
    loss = model(**batch | {name: tensor.to(run.device) for name, tensor in positions.items()}).loss
    loss.backward()
    return loss.item(), model.qa_outputs.weight.grad.norm().item()


one = first_batch([int(np.flatnonzero(labels)[0])])
S = one["input_ids"].shape[1]
positions = {"0, [CLS]": 0, "−1": -1, "−100": -100, "S − 1, the last [SEP]": S - 1, "S": S, "S + 1000": S + 1000}
illegal = pd.Series({name: loss_at(one, [at])[0] for name, at in positions.items()}, name="loss")

# %% tol-0.05
illegal.map("{:.2f}".format).to_frame()

# %%
no_answer = loss_at(one, [0])
claim(
    "−1 and −100 are not ignored: loss and gradient are those of [CLS], bit by bit",
    loss_at(one, [-1]) == loss_at(one, [-100]) == no_answer,
    differs_from_no_answer=loss_at(one, [-1]) != no_answer,
)
claim(
    "A batch in which every position is at the length or behind it has the loss NaN",
    bool(illegal[["S", "S + 1000"]].isna().all()),
    losses=illegal[["S", "S + 1000"]].tolist(),
)
two = first_batch([int(at) for at in np.flatnonzero(labels)[:2]])
first, second = two["start_positions"].tolist()
width = two["input_ids"].shape[1]
alone = {name: tensor[:1] for name, tensor in two.items()}
claim(
    "In a batch with others, only positions at the length or behind it are left out",
    np.allclose(loss_at(two, [first, width]), loss_at(alone, [first]), rtol=1e-3)
    and not np.isclose(loss_at(two, [first, -100])[0], loss_at(alone, [first])[0], rtol=1e-3),
    second_ignored_at_the_length=np.isclose(loss_at(two, [first, width])[0], loss_at(alone, [first])[0], rtol=1e-3),
    second_ignored_at_minus_100=np.isclose(loss_at(two, [first, -100])[0], loss_at(alone, [first])[0], rtol=1e-3),
)

# %% [markdown]
There is a catch even in the position that is ignored. S is the width of the *batch*, so what is behind the end of a
short window may be inside a batch with a long one. Then it is a padding piece, and the model is taught that the answer
is there.

# %%
lengths = [len(ids) for ids in encoded["train"]["input_ids"]]
short, long = int(np.argmin(lengths)), int(np.argmax(lengths))
behind = lengths[short]
mixed = first_batch([short, long])
claim(
    "Behind the end of its own window, but inside the batch, a position is trained on padding",
    np.isnan(loss_at(first_batch([short]), [behind])[0])
    and mixed["attention_mask"][0, behind] == 0
    and np.isfinite(loss_at({name: tensor[:1] for name, tensor in mixed.items()}, [behind])[0]),
    length_of_the_window=behind,
    width_of_the_batch=max(lengths),
    mask_there=int(mixed["attention_mask"][0, behind]),
)

# %% [markdown]
The rule that follows: give every window a deliberate label. `[CLS]` where the window should say "not here"; a number
that no batch is wide enough for, such as 10,000, where it should say nothing; and at least one real label in every
batch.

## What is a right answer?

Two scores are customary {cite:p}`rajpurkar2016squad`. *Exact match* (EM) asks whether prediction and truth are the
same text. *F1* asks for the words that they share. Both first put the text in lower case and take off punctuation and
the articles *a, an, the*. With several accepted answers, the best one counts. For a question without an answer, both
are 1 if the prediction is empty and 0 otherwise {cite:p}`rajpurkar2018squad2`.

# %%
accepted = ["the frogs", "because of the frogs"]
pd.DataFrame(
    {
        prediction or "(nothing)": {
            "EM": metrics.exact_match(prediction, accepted),
            "F1": metrics.span_f1(prediction, accepted),
            "EM, unanswerable": metrics.exact_match(prediction, []),
        }
        for prediction in ["Frogs.", "of the frogs", "the newts", "who left after nine days because of the frogs", ""]
    }
).T

# %% [markdown]
Four baselines tell what these scores are worth: the first sentence; the sentence that shares most words with the
question; the sentence that MiniLM, as it comes, finds most similar to the question; and no answer at all, always.

**Predict before you run.** Which of the four has the highest mean F1 over all test questions?

<details><summary>Answer</summary>

Finding the right sentence is not giving the right answer: most of its words are not asked for. Saying nothing is right
for every question without an answer, and that is enough to come close or to win.

</details>

# %%
encoder = models.load("minilm").to(run.device)


def sentences(text: str) -> list[str]:
    """The sentences of a text, split behind full stops, question and exclamation marks."""
    return re.split(r"(?<=[.!?])\s+(?=\W?[A-Z0-9])", text)


def most_overlap(row: dict) -> str:
    """The sentence of the passage that shares most words with the question."""
    asked = set(metrics.normalise_answer(row["question"]).split())
    return max(sentences(row["context"]), key=lambda s: len(asked & set(metrics.normalise_answer(s).split())))


@torch.inference_mode()
def most_similar(row: dict) -> str:
    """The sentence of the passage whose mean vector is closest to that of the question, by cosine."""
    texts = [row["question"], *sentences(row["context"])]
    inputs = tokenizer(texts, padding=True, return_tensors="pt").to(run.device)
    mask = inputs["attention_mask"][..., None]
    means = (encoder(**inputs).last_hidden_state * mask).sum(1) / mask.sum(1)
    return texts[1 + torch.cosine_similarity(means[:1], means[1:]).argmax().item()]


BASELINES = {
    "first sentence": lambda row: sentences(row["context"])[0],
    "sentence with most overlap": most_overlap,
    "most similar sentence": most_similar,
    "never an answer": lambda row: "",
}
truth = {split: rows["answers"][:] for split, rows in passages.items()}
scores = {
    name: metrics.answer_scores([baseline(row) for row in passages["test"]], truth["test"])
    for name, baseline in BASELINES.items()
}


def summary(scores: pd.DataFrame) -> dict[str, float]:
    """Means over the questions with an answer, those without, and all."""
    groups = {"answerable": scores[scores.answerable], "unanswerable": scores[~scores.answerable], "all": scores}
    means = {name: rows[["exact_match", "f1"]].mean() for name, rows in groups.items()}
    return {
        "EM, answerable": means["answerable"]["exact_match"],
        "F1, answerable": means["answerable"]["f1"],
        "unanswerable": means["unanswerable"]["f1"],  # EM and F1 are the same there
        "EM, all": means["all"]["exact_match"],
        "F1, all": means["all"]["f1"],
    }

# %% tol-0.05
figures.table(pd.DataFrame({name: summary(values) for name, values in scores.items()}).T, 3)

# %%
never = summary(scores["never an answer"])
claim(
    "Never answering gets no answerable question right, and its mean is the share of unanswerable ones",
    never["F1, answerable"] == 0 and never["F1, all"] == 1 - scores["never an answer"].answerable.mean(),
    answerable=never["F1, answerable"],
    all=never["F1, all"],
)
claim(
    "A whole sentence is never an exact match here",
    all(summary(scores[name])["EM, answerable"] == 0 for name in BASELINES if "sentence" in name),
    exact_matches=[summary(scores[name])["EM, answerable"] for name in BASELINES if "sentence" in name],
)

# %% [markdown]
So a single number over all questions says little. Below, the two kinds stay apart.

## Fine-tuning

The head starts from random numbers, and the body from a model that was trained to say how similar two sentences are. It
has never pointed at a word. All of it is trained now.

Not every window is worth its time. A training epoch takes every window with an answer, and of each question without
one. The windows of answerable questions that do not hold the answer are left out.

# %%
labels, rows = np.array(encoded["train"]["start_positions"]), np.array(encoded["train"]["row"])
chosen = np.flatnonzero((labels != NO_ANSWER) | ~np.isin(rows, answerable))
train = batching.loader(
    encoded["train"].select(chosen), tokenizer, batch_size=8, shuffle=True, seed=0, collate=collate
)
loaders = {
    split: batching.loader(encoded[split], tokenizer, batch_size=32, collate=collate) for split in ("validation", "test")
}
MAX_PIECES = 20


def forced(logits: np.ndarray, split: str) -> list[Answer]:
    """The best legal span of every question."""
    return best_spans(logits, encoded[split], passages[split], MAX_PIECES)


def measure(logits: np.ndarray, positions: np.ndarray) -> dict[str, float]:
    """EM and F1 of the best spans on the answerable validation questions."""
    found = metrics.answer_scores([answer.text for answer in forced(logits, "validation")], truth["validation"])
    return found[found.answerable][["exact_match", "f1"]].mean().to_dict()


torch.manual_seed(0)
model = models.load("minilm", head="question-answering")
before = evaluation.evaluate(model, loaders["validation"], measure)
history = training.fit(
    model, train, epochs=EPOCHS, learning_rate=RATE, validation=loaders["validation"], metrics=measure
)

# %% nbval-ignore-output
print(f"{history.seconds:.0f} seconds of training, {len(history.steps)} steps")
figures.table(history.to_frame())

# %%
steps, epochs = pd.DataFrame(history.steps).set_index("step")["loss"], history.to_frame()
with figures.figure(
    "The loss falls from the first step; whole answers come later",
    "Two panels. Left: training loss against step with its running mean, falling. Right: validation EM and F1 of the "
    "answerable questions against the epoch, both rising from near zero, F1 above EM.",
    columns=2,
) as (left, right):
    left.plot(steps.index, steps, alpha=0.35)
    left.plot(steps.index, steps.rolling(20, min_periods=1).mean(), color=figures.COLOURS[0])
    left.set_xlabel("step")
    left.set_ylabel("training loss (nats)")
    left.set_ylim(bottom=0)
    for name, label in (("f1", "F1"), ("exact_match", "EM")):
        right.plot([0, *epochs.index], [before[name], *epochs[name]], marker="o", label=label)
    right.set_xlabel("epoch")
    right.set_ylabel("validation, answerable questions")
    right.set_ylim(0, 1)
    figures.line_labels(right)

# %% [markdown]
## From two rows of logits to one answer

The model gives every piece of every window two logits. Here they are as probabilities, around the labelled span of the
test window in which that span has the highest probability.

# %%
predictions = evaluation.predict(model, loaders["test"])
probabilities = torch.tensor(predictions.logits).softmax(-1).numpy()
firsts, lasts = predictions.labels.T
sure = [
    probabilities[window, 0, first] * probabilities[window, 1, last] * (first != NO_ANSWER)
    for window, (first, last) in enumerate(zip(firsts, lasts))
]
window = int(np.argmax(sure))
around = range(max(firsts[window] - 7, 0), min(lasts[window] + 8, len(encoded["test"][window]["input_ids"])))
shown = [tokenizer.convert_ids_to_tokens(encoded["test"][window]["input_ids"])[at] for at in around]
with figures.figure(
    "Start and end are two separate guesses about every piece",
    "Bars: for some twenty pieces of a passage, the probability that the answer starts there and that it ends there. "
    "Each row has one bar higher than all others.",
    size=(7, 3),
) as axes:
    for offset, (name, side) in zip((-0.2, 0.2), (("start", 0), ("end", 1))):
        axes.bar(np.arange(len(shown)) + offset, probabilities[window, side, list(around)], width=0.4, label=name)
    axes.set_xticks(range(len(shown)), shown, rotation=60, ha="right")
    axes.set_ylabel("probability")
    axes.set_ylim(0, 1)
    axes.grid(False, axis="x")
    axes.legend(frameon=False, title=None)

# %% [markdown]
The obvious way to read them is to take the highest start and the highest end of the best window.

**Predict before you run.** The two were chosen separately. In which ways can the result be no answer at all?

<details><summary>Answer</summary>

The end can lie before the start. One of them can lie in the question, or on `[CLS]` or `[SEP]`. And the stretch between
them can be half the passage.

</details>

# %%
def naive(split: str, logits: np.ndarray) -> list[tuple[str, str]]:
    """Text and fault of the highest start and highest end, taken from the window where their sum is highest."""
    rows, best = np.array(encoded[split]["row"]), logits.max(-1).sum(-1)
    results = []
    for question in range(len(passages[split])):
        windows = np.flatnonzero(rows == question)
        window = int(windows[best[windows].argmax()])
        first, last = logits[window].argmax(-1)
        offsets = encoded[split][window]["offsets"]
        if first == last == NO_ANSWER:
            results.append(("", "no answer"))
        elif NOT_PASSAGE in (tuple(offsets[first]), tuple(offsets[last])):
            results.append(("", "not in the passage"))
        elif last < first:
            results.append(("", "ends before it starts"))
        else:
            text = passages[split][question]["context"][offsets[first][0] : offsets[last][1]]
            results.append((text, "legal" if last - first < MAX_PIECES else "too long"))
    return results


read = naive("test", predictions.logits)
answers = forced(predictions.logits, "test")
decoded = {
    "highest start, highest end": metrics.answer_scores([text for text, _ in read], truth["test"]),
    "best legal span": metrics.answer_scores([answer.text for answer in answers], truth["test"]),
}
pd.Series([fault for _, fault in read], name="questions").value_counts().to_frame()
