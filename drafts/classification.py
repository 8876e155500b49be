# %% [markdown]
# One label, several, a number

*Which loss does my classifier train with, and who decided that?*

A bank wants to know what each message is about. Then it turns out that some messages are about two things. Then
somebody asks for a score from one to five instead of a class, and somebody else for the one comment in nine that
hurts. It is the same model every time: a body, one vector for the text, a linear layer. What changes is the shape of
the labels and the loss. And, as you will see, the loss is often chosen by nobody.

**You will learn to**

- choose outputs, labels and loss for one label, several labels, two classes or a number;
- see who decides on the loss, and decide it yourself;
- read a text from its first token, its pooled token or its mean, and put a head of your own on it that reloads;
- judge a classifier of a rare class, and set its threshold.

**Time** · measured when the book is built

**Builds on** · [From nothing to a classifier](../start/01_two_minutes.ipynb), [Heads](01_anatomy.ipynb)

# %% [markdown]
## Setup

# %% nbval-ignore-output
@@INSTALL@@

# %% nbval-ignore-output
from helpers import runtime

run = runtime.start(seed=0)

# %%
import tempfile

import numpy as np
import pandas as pd
import torch
from datasets import ClassLabel, Dataset, Features, Value
from torch import nn
from torch.nn import functional as F
from transformers import AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification

from helpers import batching, data, evaluation, figures, heads, metrics, models, training
from helpers.claims import check_exercise, claim

# %% [markdown]
## Four questions, one model

| a text has | outputs | labels | `problem_type` | loss | how to read the logits |
|---|---|---|---|---|---|
| one of K classes | K | class ids, int64, (batch,) | `single_label_classification` | cross entropy of the softmax | the highest one |
| yes or no | 2 or 1 | as above, or as below | as there | as there | as there |
| any of K labels | K | 0.0 or 1.0, float, (batch, K) | `multi_label_classification` | binary cross entropy, label by label | each one above a threshold |
| a number | 1 | float, (batch,) | `regression` | squared error | as it is |

`models.load` writes the problem type into the configuration: `head="classification"`, `"multi-label"` or
`"regression"`. We take the rows one by one, with MiniLM where something is to be learned, and with a tiny random BERT
where the question is only what is computed.

# %%
TINY = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
ids = torch.randint(5, 100, (4, 7))  # four texts of seven word pieces


def tiny(**config) -> BertForSequenceClassification:
    """A random BERT classifier in eval mode; ``config`` adds to its configuration."""
    torch.manual_seed(0)
    return BertForSequenceClassification(BertConfig(**TINY, **config)).eval()

# %% [markdown]
## One label of several

Twelve of the `intents`, from two themes, are enough here.

# %%
tokenizer = models.tokenizer("minilm")
themes = data.groups("intents")
names = [*themes["money"], *themes["travel"]]


def only(rows: Dataset, names: list[str]) -> Dataset:
    """The rows with one of these intents, labelled by its place in ``names``."""
    intent = data.labels(rows)
    kept = [
        {"text": row["text"], "label": names.index(intent[row["label"]])} for row in rows if intent[row["label"]] in names
    ]
    return Dataset.from_list(kept, features=Features(text=Value("string"), label=ClassLabel(names=names)))


intents = {split: only(rows, names) for split, rows in data.load("intents").items()}
print({split: len(rows) for split, rows in intents.items()}, "·", len(names), "intents")

# %%
def loaders(splits: dict[str, Dataset], max_length: int, seed: int = 0) -> dict:
    """A shuffled loader of the training split and plain ones of the others."""
    encoded = {split: batching.encode(rows, tokenizer, max_length=max_length) for split, rows in splits.items()}
    return {
        split: batching.loader(rows, tokenizer, batch_size=16, shuffle=True, seed=seed)
        if split == "train"
        else batching.loader(rows, tokenizer, batch_size=64)
        for split, rows in encoded.items()
    }


intent_batches = loaders(intents, max_length=32)

# %% [markdown]
**Predict before you run.** The head is new and guesses. What is the loss of the very first step, with twelve classes?

<details><summary>Answer</summary>

About ln 12 = 2.48. A guess gives each class a probability of 1/12, and cross entropy is −ln of the right one's. If your
first loss is far from ln K, something is wrong: labels, loss or learning rate.

</details>

# %% tol-0.1
torch.manual_seed(0)
single = models.load("minilm", head="classification", labels=names)
history = training.fit(single, intent_batches["train"], epochs=3, learning_rate=5e-4)
first = history.steps[0]["loss"]
claim("The first loss of K classes is about ln K", abs(first - np.log(12)) < 0.25, first=first, ln_12=np.log(12))

# %% tol-0.06
answers = evaluation.predict(single, intent_batches["test"])
right = {
    "majority": evaluation.majority(intents["train"], intents["test"]) == answers.labels,
    "TF-IDF + logistic regression": evaluation.tfidf(intents["train"], intents["test"]) == answers.labels,
    "MiniLM, fine-tuned": answers.classes == answers.labels,
}
figures.table(
    pd.DataFrame({name: evaluation.interval(ok) for name, ok in right.items()}, index=["accuracy", "95 % from", "to"]).T
)

# %% tol-0.06
gap = evaluation.difference(right["TF-IDF + logistic regression"], right["MiniLM, fine-tuned"])
claim("The fine-tuned model beats word counting", gap.low > 0, gap=gap.estimate, low=gap.low, high=gap.high)

# %% [markdown]
## Two classes: one logit or two?

Yes or no fits both rows of the table: two outputs with a softmax, or one output with a sigmoid. Textbooks show one,
libraries the other.

**Predict before you run.** Two logits $z_0, z_1$ against one logit $z$. Which relation makes them the same classifier?

<details><summary>Answer</summary>

$z = z_1 - z_0$. The softmax divides by the sum, so only differences count:
$\frac{e^{z_1}}{e^{z_0} + e^{z_1}} = \frac{1}{1 + e^{-(z_1 - z_0)}}$.

</details>

# %%
torch.manual_seed(0)
two = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
labels = torch.tensor([0, 1, 1, 0, 1, 0])
one = (two[:, 1] - two[:, 0]).detach().requires_grad_()

loss_two = F.cross_entropy(two, labels)
loss_one = F.binary_cross_entropy_with_logits(one, labels.double())
loss_two.backward()
loss_one.backward()
error = (one.sigmoid() - labels).detach() / len(labels)

claim(
    "Softmax of two logits is the sigmoid of their difference, and the loss is the same",
    torch.allclose(two.softmax(-1)[:, 1], one.sigmoid(), atol=1e-12) and torch.allclose(loss_two, loss_one, atol=1e-12),
    loss_two=loss_two.item(),
    loss_one=loss_one.item(),
)
claim(
    "The gradient is probability minus label on the one logit; of the two, one gets it and the other gets minus it",
    torch.allclose(one.grad, error) and torch.allclose(two.grad, torch.stack([-error, error], 1)),
    on_the_one=one.grad[0].item(),
    on_the_two=two.grad[0].tolist(),
)

# %% [markdown]
So both can say the same things, and pay the same for them. Do they also *learn* the same? With two logits, both rows of
the layer move, in opposite directions. Their difference moves twice.

# %%
def train_linear(outputs: int, rate: float, optimizer: type, steps: int = 50) -> torch.Tensor:
    """Train a linear layer, from zero, on fixed vectors, with one logit or two; the logit of "yes" of each vector."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(200, 8, dtype=torch.float64, generator=generator)
    labels = (vectors[:, 0] + torch.randn(200, dtype=torch.float64, generator=generator) > 0).long()
    layer = nn.Linear(8, outputs, dtype=torch.float64)
    nn.init.zeros_(layer.weight), nn.init.zeros_(layer.bias)
    steps_of = optimizer(layer.parameters(), lr=rate)
    for _ in range(steps):
        logits = layer(vectors)
        loss = F.cross_entropy(logits, labels) if outputs == 2 else F.binary_cross_entropy_with_logits(logits[:, 0], labels.double())
        loss.backward()
        steps_of.step()
        steps_of.zero_grad()
    return torch.tensor(metrics.margins(layer(vectors).detach().numpy()))


rows = {}
for optimizer in (torch.optim.SGD, torch.optim.Adam):
    pair = train_linear(2, 0.01, optimizer)
    rows[optimizer.__name__] = {
        "one logit, same rate": (train_linear(1, 0.01, optimizer) - pair).abs().max().item(),
        "one logit, twice the rate": (train_linear(1, 0.02, optimizer) - pair).abs().max().item(),
    }
largest = pd.DataFrame(rows).T
claim(
    "Two logits train exactly like one at twice the learning rate",
    (largest["one logit, twice the rate"] < 1e-9).all() and (largest["one logit, same rate"] > 0.01).all(),
    same_rate=largest["one logit, same rate"].tolist(),
    twice_the_rate_within_1e_9=(largest["one logit, twice the rate"] < 1e-9).tolist(),
)

# %% [markdown]
The numbers are the largest difference between the two layers' logits after 50 steps, with SGD and with Adam. Weight
decay and a random start blur this a little; the factor of two on the *head* stays. The body feels no difference.

So take either. In transformers two outputs are the simpler choice, because one output alone means something
else, which is the next section.

## A number

A review has one to five stars. Stars are ordered: four is closer to five than to one, and a classifier with five classes
does not know that. A regression does. It has one output and the squared error as its loss.

# %%
stars = data.load("reviews:stars")
star_batches = loaders(stars, max_length=48)
pd.DataFrame(stars["train"].select(range(4)))

# %% [markdown]
**Predict before you run.** The head's output starts near 0. What is the first loss, and what would it be if the head
started at the mean of the labels?

<details><summary>Answer</summary>

Near the mean of the squared stars, about 11, against their variance, about 2. The bias learns like any other weight,
some ten-thousandths a step, so it can not come to 3 by itself; the other weights have to push. Telling it the mean is free.

</details>

# %% tol-0.15
def star_model(start: float) -> nn.Module:
    """MiniLM with one output, whose bias starts at ``start``."""
    torch.manual_seed(0)
    model = models.load("minilm", head="regression")
    nn.init.constant_(model.classifier.bias, start)
    return model


mean = np.mean(stars["train"]["label"])
rating = star_model(mean)
batch = next(iter(star_batches["validation"]))
losses = []
for model in (star_model(0.0), rating):
    with torch.no_grad():
        losses.append(model(**batch).loss.item())
claim(
    "A bias at the mean of the labels takes most of the loss away before the first step",
    losses[1] < 0.3 * losses[0],
    starting_at_0=losses[0],
    starting_at_the_mean=losses[1],
)

# %%
history = training.fit(rating, star_batches["train"], epochs=2, learning_rate=5e-4)
given = evaluation.predict(rating, star_batches["test"])

# %% [markdown]
The baselines are the mean of the training stars for every review, and word counting with five classes. The mean
absolute error is in stars. Pearson's correlation asks whether the predictions lie on a line with the truth, Spearman's
whether they have its order.

# %% tol-0.12
guesses = {
    "mean of the training stars": np.full(len(given.labels), mean),
    "TF-IDF + logistic regression": evaluation.tfidf(stars["train"], stars["test"]),
    "MiniLM, regression": given.logits[:, 0],
}
rows = {}
for name, guess in guesses.items():
    error = evaluation.interval(np.abs(guess - given.labels))
    line = evaluation.interval(metrics.moments(guess, given.labels), score=metrics.pearson)
    rows[name] = {
        "mean error": error.estimate,
        "95 % from": error.low,
        "to": error.high,
        "Pearson": line.estimate,
        "from": line.low,
        " to": line.high,
        "Spearman": metrics.regression_metrics(guess, given.labels)["spearman"],
    }
figures.table(pd.DataFrame(rows).T)

# %% tol-0.12
gap = evaluation.difference(
    np.abs(guesses["MiniLM, regression"] - given.labels), np.abs(guesses["mean of the training stars"] - given.labels)
)
claim("The regression errs less than the mean does", gap.low > 0, gap=gap.estimate, low=gap.low, high=gap.high)

# %%
by_star = pd.DataFrame({"stars": given.labels, "predicted": given.logits[:, 0]}).groupby("stars")["predicted"]
middle = by_star.mean()
with figures.figure(
    "The predictions rise with the stars, but less steeply: doubt pulls to the middle",
    "Grey dots: predicted against given stars, spread widely in each of the five columns. A blue line through the mean "
    "of each column rises from left to right, less steeply than the dashed diagonal.",
    size=(6, 3.6),
) as axes:
    jitter = np.random.default_rng(0).uniform(-0.18, 0.18, len(given.labels))
    axes.plot(given.labels + jitter, given.logits[:, 0], "o", color="#999999", markersize=3, alpha=0.6)
    axes.plot(middle.index, middle, marker="o", label="mean prediction")
    axes.plot([1, 5], [1, 5], "--", color="black", linewidth=1, label="exact")
    axes.set_xlabel("stars given")
    axes.set_ylabel("stars predicted")
    figures.line_labels(axes)

# %% tol-0.3
claim(
    "Five-star reviews are predicted higher than one-star ones, and both are drawn to the middle",
    middle[5] - middle[1] > 0.5 and middle[1] > 1 and middle[5] < 5,
    mean_for_one_star=middle[1],
    for_five=middle[5],
)

# %% [markdown]
That is what the squared error rewards. Where the text leaves doubt between 2 and 4, the cheapest answer is 3, even if
nobody gives a 3. If you need the full range, classify.

## Who decides on the loss?

`models.load` told each model its problem type. `BertForSequenceClassification` on its own has none. It looks at the
first batch with labels that it sees, decides, writes the decision into its configuration, and never asks again.

**Predict before you run.** Five pairs of outputs and labels. Which loss does each get?

<details><summary>Answer</summary>

One output: regression, whatever the labels. More outputs and integers: one label. More outputs and floats: several
labels. In the last row a class id became a float on its way, as pandas does to a column with a gap in it.

</details>

# %%
cases = {
    "3 outputs, class ids": (3, torch.tensor([0, 2, 1, 1])),
    "3 outputs, multi-hot floats": (3, torch.eye(4, 3)),
    "1 output, floats": (1, torch.tensor([1.0, 4.0, 5.0, 2.0])),
    "1 output, 0 and 1": (1, torch.tensor([0, 1, 1, 0])),
    "3 outputs, class ids as floats": (3, torch.tensor([0.0, 2.0, 1.0, 1.0])),
}
guesses_of = {}
for name, (outputs, labels) in cases.items():
    model = tiny(num_labels=outputs)
    try:
        model(ids, labels=labels)
        message = ""
    except ValueError as error:
        message = str(error)
    guesses_of[name] = {"guessed": model.config.problem_type, "error": message}
pd.DataFrame(guesses_of).T

# %%
model = tiny(num_labels=1)
integers = model(ids, labels=torch.tensor([0, 1, 1, 0])).loss
squared = F.mse_loss(model(ids).logits[:, 0], torch.tensor([0.0, 1.0, 1.0, 0.0]))
claim(
    "One output and labels 0 and 1 give no binary classifier but a regression, and nothing is raised",
    model.config.problem_type == "regression" and torch.equal(integers, squared),
    problem_type=model.config.problem_type,
)

# %% [markdown]
The guess is saved with the model. Whoever loads it inherits it, even for other labels.

# %%
with tempfile.TemporaryDirectory() as folder:
    model = tiny(num_labels=3)
    model(ids, labels=torch.eye(4, 3))  # one multi-hot batch, perhaps only to try it out
    model.save_pretrained(folder)
    again = BertForSequenceClassification.from_pretrained(folder)
    told = models.load(folder, head="classification", labels=["a", "b", "c"])
try:
    again(ids, labels=torch.tensor([0, 2, 1, 1]))
    message = ""
except ValueError as error:
    message = str(error)
print(message)
claim(
    "The first batch decides, the decision is saved, and class ids are refused ever after; models.load sets it up front",
    again.config.problem_type == "multi_label_classification"
    and "must be the same as input size" in message
    and told(ids, labels=torch.tensor([0, 2, 1, 1])).loss.isfinite().item(),
    reloaded=again.config.problem_type,
    told=told.config.problem_type,
)

# %% [markdown]
## What stands for the text, and what sits on it

BERT gives one vector for every word piece, and a classifier needs one for the text. Three are in use:

- **cls**: the first token's last hidden state, meant to collect the sentence;
- **pooler**: the same, through a pretrained dense layer and tanh. This is what `BertForSequenceClassification` reads;
- **mean**: the mean over the tokens, without the padding.

And on that vector sits a **linear** layer as in BERT, a **dense** layer with tanh before it as in RoBERTa, or, as many
blog posts have it, two dense layers with **batchnorm**.

To compare them cheaply, we freeze the body. Then every text's three vectors can be computed once and kept, and training
a head takes a moment. Mind what this compares: heads on a body that nobody tuned for them.

# %%
@torch.no_grad()
def read(body: nn.Module, loader) -> dict[str, torch.Tensor]:
    """The three vectors of every text, (texts, width) each, and the labels."""
    parts: dict[str, list] = {"cls": [], "pooler": [], "mean": [], "labels": []}
    for batch in loader:
        batch = {name: tensor.to(run.device) for name, tensor in batch.items()}
        parts["labels"].append(batch.pop("labels"))
        with runtime.autocast():
            output = body(**batch)
        parts["pooler"].append(output.pooler_output)
        for how in ("cls", "mean"):
            parts[how].append(heads.pool(output.last_hidden_state, batch["attention_mask"], how))
    labels = torch.cat(parts.pop("labels")).cpu()
    return {"labels": labels} | {name: torch.cat(tensors).float().cpu() for name, tensors in parts.items()}


body = models.load("minilm").to(run.device)
vectors = {split: read(body, loader) for split, loader in intent_batches.items()}
{split: tuple(found["mean"].shape) for split, found in vectors.items()}

# %% [markdown]
**Predict before you run.** Which choice matters more for the accuracy: the vector, or the layers on it? Which vector
wins?

<details><summary>Answer</summary>

See the figure. Before you look, think of how this body was trained: on pairs of sentences, comparing the *means* of
their tokens.

</details>

The learning rate is part of the budget. A head that gets the wrong one looks like a bad head. So every combination tries
two rates, the validation split picks one, and three seeds are averaged.

# %%
def train_head(kind: str, inputs: torch.Tensor, labels: torch.Tensor, rate: float, seed: int, weights=None) -> nn.Module:
    """Train a head for ten epochs on vectors that stay as they are; cross entropy, with class weights if given."""
    torch.manual_seed(seed)
    head = nn.Sequential(nn.Dropout(0.1), heads.classifier(kind, inputs.shape[1], int(labels.max()) + 1))
    optimizer = torch.optim.AdamW(head.parameters(), lr=rate, fused=True)
    for _ in range(10):
        for rows in torch.randperm(len(labels)).split(32):
            F.cross_entropy(head(inputs[rows]), labels[rows], weights).backward()
            optimizer.step()
            optimizer.zero_grad()
    return head.eval()


@torch.no_grad()
def hits(head: nn.Module, pooling: str, split: str) -> np.ndarray:
    """1 for every text that the head gets right, else 0."""
    return (head(vectors[split][pooling]).argmax(-1) == vectors[split]["labels"]).double().numpy()


RATES, SEEDS = (1e-3, 1e-2), range(3)
best, tested, at_rate = {}, {}, {}
for pooling in ("cls", "pooler", "mean"):
    for kind in ("linear", "dense", "batchnorm"):
        inputs, labels = vectors["train"][pooling], vectors["train"]["labels"]
        tried = {rate: [train_head(kind, inputs, labels, rate, seed) for seed in SEEDS] for rate in RATES}
        rate = max(RATES, key=lambda rate: np.mean([hits(head, pooling, "validation") for head in tried[rate]]))
        best[pooling, kind] = tried[rate][0]
        for each_rate in RATES:
            at_rate[pooling, kind, each_rate] = np.array([hits(head, pooling, "test") for head in tried[each_rate]])
        tested[pooling, kind] = at_rate[pooling, kind, rate]

# %% tol-0.05
rows = {}
for (pooling, kind), hit in tested.items():
    score = evaluation.interval(hit.mean(axis=0))
    rows[f"frozen · {pooling} · {kind}"] = {
        "parameters that learn": sum(p.numel() for p in best[pooling, kind].parameters()),
        "accuracy": score.estimate,
        "95 % from": score.low,
        "to": score.high,
        "sd over seeds": hit.mean(axis=1).std(ddof=1),
    }
tuned = evaluation.interval(right["MiniLM, fine-tuned"])
rows["fine-tuned · pooler · linear"] = {
    "parameters that learn": sum(p.numel() for p in single.parameters()),
    "accuracy": tuned.estimate,
    "95 % from": tuned.low,
    "to": tuned.high,
    "sd over seeds": None,
}
figures.table(pd.DataFrame(rows).T.astype({"parameters that learn": int}))

# %%
with figures.figure(
    "On a frozen body, the vector matters more than the layers on it",
    "Dots with 95 percent intervals of test accuracy, in three groups. Mean: the three heads lie close together, "
    "highest. First token and pooled token: clearly lower. A vertical line far right: the fine-tuned model.",
    size=(7, 3.4),
) as axes:
    for place, hit in enumerate(tested.values()):
        score, colour = evaluation.interval(hit.mean(axis=0)), figures.COLOURS[place // 3]
        axes.plot([score.low, score.high], [place, place], color=colour)
        axes.plot(score.estimate, place, "o", color=colour)
    axes.axvline(tuned.estimate, color="black", linestyle="--", linewidth=1)
    axes.annotate("fine-tuned,\npooler, linear", (tuned.estimate, 0), xytext=(5, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(tested)), [f"{pooling} · {kind}" for pooling, kind in tested])
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy, with 95 % interval")

# %% tol-0.1
between_vectors = evaluation.difference(tested["pooler", "linear"].mean(axis=0), tested["mean", "linear"].mean(axis=0))
between_heads = {
    kind: evaluation.difference(tested["mean", "linear"].mean(axis=0), tested["mean", kind].mean(axis=0))
    for kind in ("dense", "batchnorm")
}
claim(
    "Frozen, a linear layer on the mean beats the same layer on the pooled token",
    between_vectors.low > 0,
    gap=between_vectors.estimate,
    low=between_vectors.low,
    high=between_vectors.high,
)
claim(
    "More layers on the mean change less than that",
    max(abs(gap.estimate) for gap in between_heads.values()) < between_vectors.estimate / 2,
    dense_minus_linear=list(between_heads["dense"]),
    batchnorm_minus_linear=list(between_heads["batchnorm"]),
)

# %% tol-0.12
by_pooler, by_mean = (
    evaluation.difference(tested[pooling, "linear"].mean(axis=0), right["MiniLM, fine-tuned"])
    for pooling in ("pooler", "mean")
)
claim(
    "Fine-tuning makes up for the reading: it is far ahead of the frozen pooled token, and hardly of the frozen mean",
    by_pooler.low > 0 and by_mean.estimate < 0.08,
    ahead_of_frozen_pooler=list(by_pooler),
    of_frozen_mean=list(by_mean),
)

# %% [markdown]
The mean wins here, and it is not a law. MiniLM was trained by comparing means; a body whose first token was trained on
whole sentences may read better there. And once the body learns, it learns to serve whatever reads it. So: on a frozen
body compare the readings, it takes seconds. On a body that is fine-tuned, begin with the default, and compare only if you
have test examples enough to see a difference.

Note also who is not beaten here. A frozen body that is read in the right place keeps up with one that was fine-tuned and
read in the default place. The lists above hold each gap and the ends of its interval.

That two layers with BatchNorm are better than one finds no support on the mean: the interval of that gap contains zero.
On the pooled token they look better, and here is why you should ask which rate the plain layer was given.

# %% tol-0.1
help_of_batchnorm = {
    rate: evaluation.difference(
        at_rate["pooler", "linear", rate].mean(axis=0), at_rate["pooler", "batchnorm", rate].mean(axis=0)
    )
    for rate in RATES
}
claim(
    "BatchNorm helps most where the linear layer has too small a rate",
    help_of_batchnorm[1e-3].estimate > help_of_batchnorm[1e-2].estimate + 0.03,
    at_rate_0_001=list(help_of_batchnorm[1e-3]),
    at_rate_0_01=list(help_of_batchnorm[1e-2]),
)

# %% [markdown]
Each list holds the gap and its interval. BatchNorm rescales what it reads, so it forgives a small rate. A comparison at
one rate for all would have sold you that as a better head.

## A head that reloads

`heads.PooledClassifier` is the whole model with these choices. Three things make it save and reload like the models of
transformers:

```python
class PooledClassifier(BertPreTrainedModel):          # 1. save_pretrained and from_pretrained come from here
    def __init__(self, config: BertConfig) -> None:   # 2. no argument but the configuration
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=config.pooling == "pooler")   # 3. the choices live in it
        self.dropout = nn.Dropout(…)
        self.classifier = classifier(config.classifier, config.hidden_size, config.num_labels, …)
        self.post_init()
```

The head that we trained on vectors fits in, and the two halves make a classifier of texts.

# %% tol-0.03
whole = models.load("minilm", head=heads.PooledClassifier, labels=names, pooling="mean", classifier="dense")
whole.classifier.load_state_dict(best["mean", "dense"][1].state_dict())
assembled = evaluation.evaluate(whole, intent_batches["test"])["accuracy"]
on_vectors = hits(best["mean", "dense"], "mean", "test").mean()
claim(
    "Assembled, body and head score what the head scored on the kept vectors",
    abs(assembled - on_vectors) < 0.02,
    assembled=assembled,
    on_vectors=on_vectors,
)

# %%
example = tokenizer(["my suitcase went to Oslo without me"], return_tensors="pt").to(run.device)
with tempfile.TemporaryDirectory() as folder:
    whole.save_pretrained(folder)
    again, report = heads.PooledClassifier.from_pretrained(folder, output_loading_info=True)
    blind, blind_report = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
with torch.no_grad():
    distance = (again.to(run.device)(**example).logits - whole(**example).logits).abs().max().item()
identical = all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in whole.state_dict().items())
claim(
    "Saved and loaded with its own class, every weight is bit-identical, and the choices are back",
    identical and not any(report.values()) and distance < 1e-4,
    answer=names[again(**example).logits.argmax().item()],
    pooling=again.config.pooling,
    classifier=again.config.classifier,
)

# %% [markdown]
## Several labels at once

"Where's my card, and can I still change my flight?" That is two intents. Let us have such messages too: every message of
ours once alone, and once more in a random pair. The label becomes a row of zeros and ones, one place an intent:
*multi-hot*.

# %%
def with_pairs(rows: Dataset, seed: int = 0) -> Dataset:
    """Every message alone, and all of them in random pairs, with multi-hot labels."""
    order = np.random.default_rng(seed).permutation(len(rows)).tolist()
    groups = [[i] for i in order] + [list(pair) for pair in zip(order[::2], order[1::2], strict=True)]
    joined = [[rows[i] for i in group] for group in groups]
    return Dataset.from_dict(
        {
            "text": [" ".join(row["text"] for row in group) for group in joined],
            "label": [[float(k in {row["label"] for row in group}) for k in range(len(names))] for group in joined],
        }
    )


mixed = {split: with_pairs(intents[split]) for split in ("train", "test")}
row = mixed["test"][len(mixed["test"]) - 1]
print({split: len(rows) for split, rows in mixed.items()})
print(row["text"], "→", [name for name, flag in zip(names, row["label"], strict=True) if flag])

# %% [markdown]
**Predict before you run.** A classifier with a softmax reads a message with two intents in it. Its twelve probabilities
add up to one. Can it tell you that there were two?

<details><summary>Answer</summary>

No. A softmax says which one, not how many. For that each label needs a probability of its own: a *sigmoid* of its own
logit, which owes nothing to the others.

</details>

The body stays frozen, and the head has the same layers as before. What changes is the loss: twelve times yes or no. With
a whole model you would say `models.load("minilm", head="multi-label", labels=names)` and train as ever.

# %%
mixed_vectors = {split: read(body, loader) for split, loader in loaders(mixed, max_length=64).items()}
truth = mixed_vectors["test"]["labels"].numpy() == 1

torch.manual_seed(0)
sigmoids = nn.Sequential(nn.Dropout(0.1), heads.classifier("dense", 384, len(names)))
optimizer = torch.optim.AdamW(sigmoids.parameters(), lr=3e-3, fused=True)
given_at = {}
for epoch in range(1, 26):
    for rows in torch.randperm(len(mixed_vectors["train"]["labels"])).split(32):
        logits = sigmoids.train()(mixed_vectors["train"]["mean"][rows])
        F.binary_cross_entropy_with_logits(logits, mixed_vectors["train"]["labels"][rows]).backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        probabilities = sigmoids.eval()(mixed_vectors["test"]["mean"]).sigmoid().numpy()
    given_at[epoch] = probabilities > 0.5

# %% tol-0.1
claim(
    "After one epoch the head gives hardly any label, and is right in most of the yes-or-no questions",
    given_at[1].sum() < 0.1 * truth.sum() and (given_at[1] == truth).mean() > 0.85,
    labels_given_a_message=given_at[1].sum() / len(truth),
    questions_right=(given_at[1] == truth).mean(),
    after_the_last_epoch=(given_at[25] == truth).mean(),
)

# %% [markdown]
Most answers are no, so "no" to everything scores high, and that is also what the head learns first. Do not stop there,
and do not report that score. "All right" below is the hard score: every label of a message and no other. F1 counts labels:
it is the harmonic mean of the share of given labels that are right and the share of right labels that were given.

The rivals are word counts, and the softmax head from above on the same vectors, which may give its first choice or its
first two.

# %%
with torch.no_grad():
    order = best["mean", "dense"](mixed_vectors["test"]["mean"]).argsort(dim=1, descending=True).numpy()
each = np.arange(len(names))


def one_label(split: str, k: int) -> Dataset:
    """The messages of a split with label ``k`` alone, as 0 or 1."""
    return Dataset.from_dict({"text": mixed[split]["text"], "label": [int(row[k]) for row in mixed[split]["label"]]})


predicted = {
    "TF-IDF + logistic regression a label": np.stack(
        [evaluation.tfidf(one_label("train", k), one_label("test", k), balanced=True) == 1 for k in each], axis=1
    ),
    "softmax, its first choice": each == order[:, :1],
    "softmax, its first two": (each == order[:, :1]) | (each == order[:, 1:2]),
    "sigmoids, all above 0.5": given_at[25],
}
pairs = truth.sum(axis=1) == 2
all_right = {name: (given == truth).all(axis=1) for name, given in predicted.items()}

# %% tol-0.1
rows = {}
for name, given in predicted.items():
    f1 = evaluation.interval(metrics.label_counts(truth, given), score=metrics.f1)
    rows[name] = {
        "all right, alone": all_right[name][~pairs].mean(),
        "all right, pairs": all_right[name][pairs].mean(),
        "F1": f1.estimate,
        "95 % from": f1.low,
        "to": f1.high,
    }
figures.table(pd.DataFrame(rows).T)

# %% tol-0.15
claim(
    "A softmax must be told how many labels to give, and is wrong about the others; sigmoids serve both",
    all_right["softmax, its first choice"][pairs].mean() < 0.05
    and all_right["softmax, its first two"][~pairs].mean() < 0.05
    and all_right["sigmoids, all above 0.5"][pairs].mean() > 0.2
    and all_right["sigmoids, all above 0.5"][~pairs].mean() > 0.5,
    sigmoids_on_pairs=all_right["sigmoids, all above 0.5"][pairs].mean(),
    sigmoids_alone=all_right["sigmoids, all above 0.5"][~pairs].mean(),
)
claim(
    "The price: on messages with one intent, the softmax that knows there is one does better",
    all_right["softmax, its first choice"][~pairs].mean() > all_right["sigmoids, all above 0.5"][~pairs].mean() + 0.05,
    softmax=all_right["softmax, its first choice"][~pairs].mean(),
    sigmoids=all_right["sigmoids, all above 0.5"][~pairs].mean(),
)

# %% [markdown]
If every text has exactly one label, tell the model so: that is what a softmax is.

# %% [markdown]
## One class is rare

`comments` holds remarks under articles and videos, most of them civil. Some are written to hurt. You want to find these.

# %%
comments = data.load("comments")
labels = {split: np.array(rows["label"]) for split, rows in comments.items()}
pd.DataFrame({split: {"civil": (y == 0).sum(), "uncivil": (y == 1).sum()} for split, y in labels.items()})

# %% [markdown]
**Predict before you run.** Somebody sells you a filter with 89 % accuracy on these comments. Should you buy it?

<details><summary>Answer</summary>

Not for that number. Eight of nine comments are civil. "Always civil" has that accuracy, and finds nothing.

</details>

Ask two other questions. Of the comments that a model flags, how many are uncivil? That is its **precision**. Of the
uncivil ones, how many does it flag? That is its **recall**. F1, which you met above, is their harmonic mean.

We begin with a linear head on the mean vectors of the frozen body, because it trains in no time.

# %%
comment_batches = loaders(comments, max_length=48)
vectors = {split: read(body, loader) for split, loader in comment_batches.items()}


def logits_of(head: nn.Module, split: str) -> np.ndarray:
    """The head's logits for the mean vectors of a split."""
    with torch.no_grad():
        return head(vectors[split]["mean"]).numpy()


def train_civility(seed: int, weights: torch.Tensor | None = None) -> nn.Module:
    """A linear head on the mean vectors of the comments."""
    return train_head("linear", vectors["train"]["mean"], vectors["train"]["labels"], 3e-3, seed, weights)


plain = [train_civility(seed) for seed in range(3)]


def flags_of(logits: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """Which comments have a probability of at least ``threshold`` to be uncivil."""
    return torch.tensor(metrics.margins(logits)).sigmoid().numpy() >= threshold


def scores(flagged: np.ndarray) -> dict[str, float]:
    """Accuracy, precision and recall on the test split, and F1 with its interval."""
    counts = metrics.label_counts(labels["test"], flagged)
    f1 = evaluation.interval(counts, score=metrics.f1)
    return {
        "accuracy": (flagged == labels["test"]).mean(),
        "precision": float(metrics.precision(counts.sum(axis=0))),
        "recall": float(metrics.recall(counts.sum(axis=0))),
        "F1": f1.estimate,
        "95 % from": f1.low,
        "to": f1.high,
    }


threshold = metrics.best_threshold(logits_of(plain[0], "validation"), labels["validation"])
flags = {
    "always civil": np.zeros(len(labels["test"]), dtype=bool),
    "TF-IDF + logistic regression": evaluation.tfidf(comments["train"], comments["test"]) == 1,
    "frozen, threshold 0.5": flags_of(logits_of(plain[0], "test")),
    "frozen, threshold 0.1": flags_of(logits_of(plain[0], "test"), 0.1),
    "frozen, threshold from validation": flags_of(logits_of(plain[0], "test"), threshold),
}

# %% tol-0.1
figures.table(pd.DataFrame({name: scores(flagged) for name, flagged in flags.items()}).T)

# %% [markdown]
TF-IDF has learned to say nothing: it is as accurate as "always civil" because it hardly ever differs from it.

### The threshold is yours

0.5 is where both classes are equally likely. It is no law: flag at a lower probability, and you find more and are wrong
more often. `metrics.best_threshold` takes the one with the highest F1 on the *validation* split. Ask what a miss costs
you before you take it over: F1 is only one bargain of many.

# %% tol-0.15
low = scores(flags["frozen, threshold 0.1"])
claim(
    "At a low threshold the classifier is less accurate than 'always civil', and finds most of the uncivil comments",
    low["accuracy"] < (labels["test"] == 0).mean() - 0.03 and low["recall"] > 0.6,
    accuracy=low["accuracy"],
    always_civil=(labels["test"] == 0).mean(),
    recall=low["recall"],
)

# %% [markdown]
It is the more useful of the two, unless a false alarm costs you as much as a miss.

The threshold from the validation split rests on very few uncivil comments. How firm is it? Draw other validation splits
from this one, and choose again.

# %% tol-0.3
generator = np.random.default_rng(0)
chosen = []
for _ in range(200):
    draw = generator.integers(0, len(labels["validation"]), len(labels["validation"]))
    chosen.append(metrics.best_threshold(logits_of(plain[0], "validation")[draw], labels["validation"][draw]))
spread = np.quantile(chosen, [0.05, 0.95])
claim(
    "The best threshold depends on the draw: from one validation split to the next it more than doubles",
    spread[1] > 2 * spread[0],
    uncivil_comments_in_validation=int(labels["validation"].sum()),
    from_5_percent=spread[0],
    to_95_percent=spread[1],
)

# %% [markdown]
### Class weights

The usual advice for a rare class is to weigh it up in the loss, here eightfold, as it is eight times as rare.

**Predict before you run.** What will the weights change: which comments the model finds suspicious, or from when on it
says so?

<details><summary>Answer</summary>

Mostly from when on. To weigh the rare class eightfold is to pretend that it is eight times as common. The model answers
with probabilities of that other world, in which 0.5 lies where 1/9 lies in this one.

</details>

# %% tol-0.1
ratio = 8.0
weighted = [train_civility(seed, torch.tensor([1.0, ratio])) for seed in range(3)]


def average(heads: list[nn.Module], score: str, threshold: float = 0.5) -> float:
    """The mean test score of the heads."""
    return np.mean([metrics.binary_metrics(threshold)(logits_of(head, "test"), labels["test"])[score] for head in heads])


columns = ["accuracy", "precision", "recall", "f1", "average_precision"]
three = pd.DataFrame(
    {
        "plain, at 0.5": {name: average(plain, name) for name in columns},
        "plain, at 1/9": {name: average(plain, name, 1 / (1 + ratio)) for name in columns},
        "weighted, at 0.5": {name: average(weighted, name) for name in columns},
    }
).T
figures.table(three)

# %% tol-0.15
claim(
    "Weights raise recall and lower precision, and so does a lower threshold",
    all(
        three.loc[other, "recall"] > three.loc["plain, at 0.5", "recall"] + 0.15
        and three.loc[other, "precision"] < three.loc["plain, at 0.5", "precision"] - 0.1
        for other in ("plain, at 1/9", "weighted, at 0.5")
    ),
    recall=three["recall"].tolist(),
    precision=three["precision"].tolist(),
)
sorted_alike = three.loc["weighted, at 0.5", "average_precision"] - three.loc["plain, at 0.5", "average_precision"]
claim(
    "They hardly change how the comments are sorted",
    abs(sorted_alike) < 0.08,
    average_precision=three["average_precision"].tolist(),
)

# %% [markdown]
The *average precision* tells how well a model sorts: it is the area under the curve of precision against recall over
all thresholds. Sorting at random gives the share of the rare class. The three rows are means over three seeds; the first
two are the same heads.

To weigh the classes in `training.fit`, give it a loss. Here is the fine-tuned model, with the same weights.

# %%
def weighted_loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Cross entropy in which an uncivil comment counts eight times."""
    inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
    weights = torch.tensor([1.0, ratio], device=batch["labels"].device)
    return F.cross_entropy(model(**inputs).logits.float(), batch["labels"], weights)


torch.manual_seed(0)
civility = models.load("minilm", head="classification", labels=data.labels(comments["train"]))
history = training.fit(civility, comment_batches["train"], epochs=3, learning_rate=4e-4, loss=weighted_loss)
tuned_logits = {split: evaluation.predict(civility, comment_batches[split]).logits for split in ("validation", "test")}

# %%
from sklearn.metrics import precision_recall_curve

curves = {
    "frozen": logits_of(plain[0], "test"),
    "frozen, weighted": logits_of(weighted[0], "test"),
    "fine-tuned, weighted": tuned_logits["test"],
}
share = labels["test"].mean()
with figures.figure(
    "Weights slide you along the curve; fine-tuning is a better curve",
    "Precision against recall on the test split. Two lines, the frozen body with and without weights, lie close "
    "together; the fine-tuned model's line lies above them over most of the range. Dots mark the threshold 0.5 on "
    "each. A dashed line far below: random sorting.",
    size=(6.4, 3.8),
) as axes:
    for (name, values), colour in zip(curves.items(), figures.COLOURS, strict=False):
        found, complete, _ = precision_recall_curve(labels["test"], metrics.margins(values))
        axes.step(complete[::-1], found[::-1], where="post", color=colour, label=name)
        half = scores(flags_of(values))
        axes.plot(half["recall"], half["precision"], "o", color=colour, markersize=9)
    axes.axhline(share, color="black", linestyle="--", linewidth=1)
    axes.annotate("sorted at random", (0.02, share), xytext=(0, 5), textcoords="offset points")
    axes.set_xlabel("recall (dots: threshold 0.5)")
    axes.set_ylabel("precision")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.05)
    axes.legend(frameon=False, loc="upper right")

# %% tol-0.12
flags["TF-IDF, weighted"] = evaluation.tfidf(comments["train"], comments["test"], balanced=True) == 1
flags["frozen, weighted"] = flags_of(logits_of(weighted[0], "test"))
flags["fine-tuned, weighted"] = flags_of(tuned_logits["test"])
figures.table(pd.DataFrame({name: scores(flags[name]) for name in ("always civil", "TF-IDF, weighted", "frozen, weighted", "fine-tuned, weighted")}).T)

# %% tol-0.15
counts = {name: metrics.label_counts(labels["test"], flagged) for name, flagged in flags.items()}
over_words = evaluation.difference(counts["TF-IDF, weighted"], counts["fine-tuned, weighted"], score=metrics.f1)
over_frozen = evaluation.difference(counts["frozen, weighted"], counts["fine-tuned, weighted"], score=metrics.f1)
claim("Fine-tuned, the model's F1 is above that of weighted word counts", over_words.low > 0, gap=over_words.estimate, low=over_words.low, high=over_words.high)
print(f"over the frozen body: {over_frozen.estimate:.2f}, 95 % from {over_frozen.low:.2f} to {over_frozen.high:.2f}")

# %% [markdown]
With some fifty uncivil comments in the test split, every F1 here is known to about a tenth. That is the price of a rare
class: you need a large test set to hold enough of it.

## Traps

### Multi-hot labels that are integers

Zeros and ones look like integers, so people store them as such. A model that was not told then takes them for class
ids, and complains about the batch size. A model that was told fails as well, in other words.

# %%
multi_hot = torch.eye(4, 3, dtype=torch.long)
messages = {}
for told in (None, "multi_label_classification"):
    try:
        tiny(num_labels=3, problem_type=told)(ids, labels=multi_hot)
        messages[told] = ""
    except (ValueError, RuntimeError) as error:
        messages[told] = str(error)
print(*messages.values(), sep="\n")
fixed = tiny(num_labels=3, problem_type="multi_label_classification")(ids, labels=multi_hot.float()).loss
claim(
    "Integer multi-hot labels are refused with a message about the batch size; as floats they work",
    "batch_size (4) to match target batch_size (12)" in messages[None] and fixed.isfinite().item(),
    loss=fixed.item(),
)

# %% [markdown]
### A column against a row

One output gives logits of shape (batch, 1); the labels have shape (batch,). In a loss of your own, PyTorch stretches one
against the other to (batch, batch): every prediction is compared with every label. It warns once, on standard error, and
goes on. The best such a model can do is to predict the mean for everybody.

# %%
import warnings

column, row = torch.tensor([[1.0], [2.0], [4.0], [5.0]]), torch.tensor([1.0, 2.0, 4.0, 5.0])
with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    stretched = F.mse_loss(column, row)
    all_mean = F.mse_loss(torch.full((4, 1), 3.0), row)
exact = F.mse_loss(column.squeeze(-1), row)  # the fix
claim(
    "Perfect predictions in a column have a large loss against labels in a row; predicting the mean has half of it",
    exact == 0 and stretched == 2 * all_mean and any("target size" in str(warning.message) for warning in heard),
    with_squeeze=exact.item(),
    without=stretched.item(),
    mean_for_all=all_mean.item(),
)

# %% [markdown]
`BertForSequenceClassification` and `heads.loss` squeeze. Your own `loss=` must do it too.

### A mean that counts the padding

`last_hidden_state.mean(dim=1)` divides by the length of the *batch*, and padding has vectors too. The same text then has
another vector in other company.

# %%
@torch.no_grad()
def mean_of_first(texts: list[str], masked: bool) -> torch.Tensor:
    """The mean vector of the first of these texts, with or without its padding."""
    inputs = tokenizer(texts, padding=True, return_tensors="pt").to(run.device)
    hidden = body(**inputs).last_hidden_state
    return (heads.pool(hidden, inputs["attention_mask"], "mean") if masked else hidden.mean(dim=1))[0].cpu()


text, company = "raise my limit", "where on earth is the suitcase that I checked in at six this morning for the flight to Oslo"
similarity = {
    masked: F.cosine_similarity(mean_of_first([text], masked), mean_of_first([text, company], masked), dim=0).item()
    for masked in (True, False)
}
claim(
    "Without the mask, a text's mean changes with its neighbours; with it, it does not",
    similarity[True] > 0.9999 and similarity[False] < 0.98,
    cosine_with_mask=similarity[True],
    changed_without=similarity[False] < 0.98,
)

# %% [markdown]
### Loaded by the wrong class

The folder that `PooledClassifier` saved can be opened by `AutoModelForSequenceClassification` too. That takes the class
which belongs to *BERT*: it draws a new pooler, reads that, and says so in a load report only.

# %%
fresh = sorted({".".join(key.split(".")[:2]) for key in blind_report["missing_keys"]})
claim(
    "The Auto class opens our folder without an error, with a random pooler and a random classifier",
    type(blind) is BertForSequenceClassification and "bert.pooler" in fresh,
    opened_as=type(blind).__name__,
    drawn_at_random=fresh,
)

# %% [markdown]
With `classifier="linear"` it is worse: the classifier fits by name, and only the pooler is random. Load with the class
that saved: `models.load(folder, head=heads.PooledClassifier)`.

### BatchNorm and the last batch

In train mode BatchNorm needs two examples to have a variance. If the last batch of an epoch holds one, training stops
there, perhaps after hours.

# %%
head = heads.classifier("batchnorm", 384, 2).train()
try:
    head(vectors["train"]["mean"][:1])
    message = ""
except ValueError as error:
    message = str(error)
print(message)
claim("A batch of one stops a head with BatchNorm", "more than 1 value" in message, examples=1)

# %% [markdown]
Choose a batch size that leaves more than one over, or drop the last batch. In eval mode a batch of one is fine: then the
running statistics are used. These must have had time to settle, some dozens of steps, or the model is right in training
and wrong when it counts.

# %% tol-0.3
torch.manual_seed(0)
head = heads.classifier("batchnorm", 384, 2)
optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3)
x, y = vectors["train"]["mean"], vectors["train"]["labels"]
seen = {}
for step in range(1, 51):
    F.cross_entropy(head(x), y).backward()
    optimizer.step()
    optimizer.zero_grad()
    if step in (3, 50):
        with torch.no_grad():
            losses = F.cross_entropy(head.train()(x), y), F.cross_entropy(head.eval()(x), y)
            seen[step] = [loss.item() for loss in losses]
        head.train()
claim(
    "After three steps, eval mode is far behind train mode on the same data; after fifty they agree",
    seen[3][1] - seen[3][0] > 0.1 and abs(seen[50][1] - seen[50][0]) < 0.1,
    after_3_train_and_eval=seen[3],
    after_50=seen[50],
)

# %% [markdown]
## At full scale

Each set has a public counterpart with the same columns, and the code stays: two names change, and the rate, which is
smaller for a larger body.

```python
intents = data.load("clinc/clinc_oos:small")        # one of 151 intents
stars = data.load("Yelp/yelp_review_full")          # one to five stars, as numbers
comments = data.load("google/civil_comments")       # uncivil from a toxicity of 0.5 on
model = models.load("google-bert/bert-base-uncased", head=heads.PooledClassifier, labels=names, pooling="mean")
training.fit(model, train, epochs=3, learning_rate=3e-5)
```

Give a large set a smaller share first: `comments["train"].select(range(20_000))`.

## Exercises

### Exercise 1 · easy

Write `one_from_two(layer)`: a linear layer with one output whose sigmoid is the softmax probability of class 1 of a layer
with two outputs. Expected result: for any input, the two probabilities differ by less than 1e-5.

# %% solution
def one_from_two(layer: nn.Linear) -> nn.Linear:
    """The layer with one output that says the same as the one with two."""
    one = nn.Linear(layer.in_features, 1)
    with torch.no_grad():
        one.weight.copy_(layer.weight[1:] - layer.weight[:1])
        one.bias.copy_(layer.bias[1:] - layer.bias[:1])
    return one

# %% check
layer, x = plain[0][1], vectors["test"]["mean"]
check_exercise(
    "1",
    (one_from_two(layer)(x)[:, 0].sigmoid() - layer(x).softmax(-1)[:, 1]).abs().max().item(),
    0.0,
    tolerance=1e-5,
    hint="Only the difference of the two logits counts.",
)

# %% [markdown]
### Exercise 2 · medium

A fourth way to read a text: the largest value of each dimension over its tokens. Write `pool_max(hidden, mask)`, without
the padding. Expected result: shape (texts, width), and other values in the padding change nothing.

# %% solution
def pool_max(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The largest value of each dimension over the real tokens, (texts, width)."""
    return hidden.masked_fill(mask.unsqueeze(-1) == 0, -torch.inf).amax(dim=1)

# %% check
hidden = torch.tensor([[[-1.0, -5.0], [-2.0, -4.0], [9.0, 9.0]], [[0.0, 1.0], [2.0, 0.0], [1.0, 3.0]]])
mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
check_exercise("2a", lambda: pool_max(hidden, mask).tolist(), [[-1.0, -4.0], [2.0, 3.0]], hint="Zero is not the smallest number.")
other = torch.where(mask.unsqueeze(-1) == 1, hidden, -7.0)
check_exercise("2b", lambda: torch.equal(pool_max(other, mask), pool_max(hidden, mask)), True)

# %% [markdown]
### Exercise 3 · harder

A moderator reads what you flag, and wants to see at least 90 % of the uncivil comments. Write
`threshold_for(probability, truth, recall)`: the highest threshold at which at least that share of the true ones has a
probability of at least the threshold. Expected result: on the validation split it keeps its promise exactly. On the test
split it keeps it only roughly, and you must read clearly fewer comments than all.

# %% solution
def threshold_for(probability: np.ndarray, truth: np.ndarray, recall: float) -> float:
    """The highest threshold that still finds at least ``recall`` of the true ones."""
    found = np.sort(probability[truth == 1])[::-1]
    return found[int(np.ceil(recall * len(found))) - 1]

# %% check
probability = {
    split: torch.tensor(metrics.margins(logits)).sigmoid().numpy() for split, logits in tuned_logits.items()
}
strict = threshold_for(probability["validation"], labels["validation"], 0.9)
check_exercise(
    "3a",
    (probability["validation"][labels["validation"] == 1] >= strict).mean(),
    lambda share: 0.9 <= share < 0.96,
    hint="Sort the probabilities of the uncivil ones.",
)
check_exercise("3b", (probability["test"][labels["test"] == 1] >= strict).mean(), lambda share: share > 0.6)
check_exercise("3c", (probability["test"] >= strict).mean(), lambda share: share < 0.9)

# %% [markdown]
### Exercise 4 · open

The star regression knows something about sentiment, though nobody told it. Write `sentiment_from_stars(stars)`: positive
(1) or negative (0) from a predicted number of stars. Choose the border on the validation split of `reviews`, whose texts
are the same. Is it as good as a model that was trained for sentiment? What would you have to run to find out? Expected
result: more than 65 % of the test reviews are right.

# %% solution
def sentiment_from_stars(stars: np.ndarray) -> np.ndarray:
    """1 where the stars are above the border that is best on the validation split, else 0."""
    validation = evaluation.predict(rating, star_batches["validation"]).logits[:, 0]
    truth = np.array(data.load("reviews")["validation"]["label"])
    borders = np.linspace(2, 4, 41)
    best = max(borders, key=lambda border: ((validation > border) == truth).mean())
    return (stars > best).astype(int)

# %% check
sentiment = np.array(data.load("reviews")["test"]["label"])
check_exercise("4", lambda: (sentiment_from_stars(given.logits[:, 0]) == sentiment).mean(), lambda share: share > 0.65)

# %% [markdown]
## Summary

- Outputs, the labels' type and the loss belong together; `problem_type` names the loss, and you should be the one to set it.
- One logit or two: the same classifier, the same loss, and a factor of two in the head's learning rate.
- A number is a regression: start its bias at the mean, compare it with the mean, and expect answers near the middle.
- On a frozen body the vector you read matters more than the layers on it; a body that learns adapts to its reader.
- For a rare class look at precision, recall and the curve. Weights and thresholds choose a point on it; better vectors
  move it.

**Sources** · BERT's classifier {cite:p}`devlin2019bert`; the dense head is RoBERTa's {cite:p}`liu2019roberta`; means of
tokens as sentence vectors {cite:p}`reimers2019sentence`; MiniLM {cite:p}`wang2020minilm`; the public counterpart of the
comments {cite:p}`borkan2019civil`; the bootstrap {cite:p}`efron1993introduction`.

**Next** · Sentence pairs: two texts in one sequence, and what the token types carry.
