"""The measures against hand-worked matrices and the papers' formulas, the remedies at strength 0 and at a great one."""

from __future__ import annotations

import copy

import pytest
import torch
from datasets import Dataset
from torch import nn
from transformers import BertForMaskedLM, BertModel
from transformers.modeling_outputs import SequenceClassifierOutput

from helpers import batching, evaluation, forgetting, freezing, training
from helpers.batching.language import MaskingCollator, masked_loss

pytestmark = pytest.mark.usefixtures("fp32")


def test_building_a_remedy_draws_no_random_number(tiny, encoded, tokenizer):
    model, loader = tiny(), batching.batches(encoded, tokenizer)
    state = torch.random.get_rng_state()
    for build in (forgetting.EWC, lambda model, loader, s: forgetting.L2SP(model, s)):
        build(model, loader, 1.0)
    forgetting.Distillation(model, 1.0)
    assert torch.equal(torch.random.get_rng_state(), state)


def auxiliary(model, encoded, tokenizer, strength, **options):
    masked_lm = BertForMaskedLM(model.config)
    masked_lm.bert = model.bert
    collate = MaskingCollator(tokenizer)
    return forgetting.Auxiliary(
        masked_lm, batching.batches(encoded, tokenizer, 8, collate=collate), strength, **options
    )


REMEDIES = {
    "L2SP": lambda model, encoded, tokenizer, strength: forgetting.L2SP(model, strength),
    "EWC": lambda model, encoded, tokenizer, strength: forgetting.EWC(
        model, batching.batches(encoded, tokenizer, 8), strength
    ),
    "Distillation": lambda model, encoded, tokenizer, strength: forgetting.Distillation(model, strength),
    "Auxiliary": auxiliary,
}


def train(model, encoded, tokenizer, loss=None, rate=1e-2, epochs=4):
    """From the same random numbers, so that runs differ by their loss alone."""
    torch.manual_seed(1)
    loader = batching.batches(encoded, tokenizer, batch_size=12, shuffle=True)
    training.fit(model, loader, epochs=epochs, learning_rate=rate, loss=loss)
    return model.state_dict()


@pytest.fixture
def trained(tiny, encoded, tokenizer):
    """A model that knows the colours, and the same sentences with the labels turned round, to train it away."""
    model = tiny(num_labels=3, initializer_range=0.3)  # so small a model hardly learns from the usual 0.02
    train(model, encoded, tokenizer, rate=3e-3, epochs=40)
    columns = encoded.to_dict()
    columns["labels"] = [1 - label for label in columns["labels"]]
    return model, Dataset.from_dict(columns)


@pytest.mark.parametrize("name", REMEDIES)
def test_strength_zero_is_plain_fine_tuning(name, tiny, encoded, tokenizer):
    """Dropout is on: a remedy may not draw from the generator either."""
    plain = train(tiny(), encoded, tokenizer)
    model = tiny()
    remedied = train(model, encoded, tokenizer, REMEDIES[name](model, encoded, tokenizer, 0.0))
    assert plain.keys() == remedied.keys()
    for key, tensor in plain.items():
        assert torch.equal(tensor, remedied[key]), key


@pytest.mark.parametrize("name", ["L2SP", "EWC", "Distillation"])
def test_great_strength_keeps_the_old_model(name, trained, encoded, tokenizer):
    model, turned = trained
    old = evaluation.evaluate(model, batching.batches(encoded, tokenizer))["accuracy"]
    assert old > 0.9
    plain = copy.deepcopy(model)
    train(plain, turned, tokenizer)
    train(model, turned, tokenizer, REMEDIES[name](model, encoded, tokenizer, 1e6 if name != "EWC" else 1e9))
    kept, lost = (evaluation.evaluate(m, batching.batches(encoded, tokenizer))["accuracy"] for m in (model, plain))
    assert lost < 0.7
    assert kept > 0.9


def test_l2sp_is_half_the_squared_distance(tiny, encoded, tokenizer):
    model = tiny().eval()
    remedy = forgetting.L2SP(model, strength=3.0)
    batch = next(iter(batching.batches(encoded, tokenizer)))
    own = model(**batch).loss
    assert remedy(model, batch).item() == pytest.approx(own.item())
    with torch.no_grad():
        model.classifier.bias += torch.tensor([0.5, -1.0])
    assert remedy(model, batch).item() == pytest.approx(model(**batch).loss.item() + 1.5 * 1.25, rel=1e-5)


def test_ewc_weighs_the_squared_distance_by_the_fisher(tiny, encoded, tokenizer):
    model, loader = tiny().eval(), batching.batches(encoded, tokenizer)
    remedy = forgetting.EWC(model, loader, strength=3.0)
    moved = torch.tensor([0.5, -1.0])
    with torch.no_grad():
        model.classifier.bias += moved
    batch = next(iter(loader))
    penalty = 1.5 * (remedy.fisher["classifier.bias"] * moved**2).sum()
    assert penalty > 0.1
    assert remedy(model, batch).item() == pytest.approx((model(**batch).loss + penalty).item(), rel=1e-5)


def test_ewc_adds_up_over_a_sequence(tiny, encoded, tokenizer):
    """The Fisher information is summed, the old weights are the latest, and a head may have grown in between."""
    first, second, loader = tiny(), tiny(seed=1, num_labels=3), batching.batches(encoded, tokenizer)
    before = forgetting.EWC(first, loader, 1.0)
    both = forgetting.EWC(second, loader, 1.0, previous=before)
    alone = forgetting.fisher(second, loader)
    row = "classifier.weight"
    torch.testing.assert_close(both.fisher[row][:2], alone[row][:2] + before.fisher[row])
    torch.testing.assert_close(both.fisher[row][2], alone[row][2])
    assert torch.equal(both.old[row], second.classifier.weight)


def grown(model):
    """The same model with a third label."""
    bigger = copy.deepcopy(model)
    bigger.classifier = nn.Linear(16, 3)
    with torch.no_grad():
        bigger.classifier.weight[:2], bigger.classifier.bias[:2] = model.classifier.weight, model.classifier.bias
    bigger.num_labels = bigger.config.num_labels = 3
    return bigger


@pytest.mark.parametrize("name", ["L2SP", "EWC"])
def test_new_rows_of_a_grown_head_are_free(name, tiny, encoded, tokenizer):
    model = tiny()
    remedy = REMEDIES[name](model, encoded, tokenizer, 1.0)
    bigger = grown(model).eval()
    batch = next(iter(batching.batches(encoded, tokenizer)))
    with torch.no_grad():
        bigger.classifier.weight[2] += 5
    assert remedy(bigger, batch).item() == pytest.approx(bigger(**batch).loss.item())
    with torch.no_grad():
        bigger.classifier.weight[1] += 5
    assert remedy(bigger, batch).item() > bigger(**batch).loss.item() + 0.1


def test_a_bare_encoder_protects_the_body_alone(tiny, encoded, tokenizer):
    model = tiny().eval()
    remedy = forgetting.L2SP(copy.deepcopy(model.bert), 1.0)
    batch = next(iter(batching.batches(encoded, tokenizer)))
    with torch.no_grad():
        model.classifier.weight += 5
    assert remedy(model, batch).item() == pytest.approx(model(**batch).loss.item())
    with torch.no_grad():
        model.bert.embeddings.LayerNorm.bias += 1
    assert remedy(model, batch).item() == pytest.approx(model(**batch).loss.item() + 8)


class Own(nn.Module):
    """A model of a reader's own, whose encoder has a name of its own."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.reads, self.answers = classifier.bert, classifier.classifier

    def forward(self, labels: torch.Tensor, **inputs: torch.Tensor) -> SequenceClassifierOutput:
        logits = self.answers(self.reads(**inputs).pooler_output)
        return SequenceClassifierOutput(loss=nn.functional.cross_entropy(logits, labels), logits=logits)


@pytest.mark.parametrize("wrap", [nn.DataParallel, Own], ids=["wrapped", "own"])
def test_the_body_is_protected_whatever_it_stands_in(wrap, tiny, encoded, tokenizer):
    """Names differ there by a prefix; the penalty must not be 0 because of it, nor find nothing to stay near."""
    model = tiny().eval()
    remedy = forgetting.L2SP(copy.deepcopy(model.bert), 1.0)
    inside = wrap(model).eval()
    batch = next(iter(batching.batches(encoded, tokenizer)))
    with torch.no_grad():
        model.bert.embeddings.LayerNorm.bias += 1
    assert remedy(inside, batch).item() == pytest.approx(inside(**batch).loss.item() + 8)
    again = forgetting.L2SP(inside, 1.0)
    assert remedy.old.keys() <= again.old.keys()


def test_an_auxiliary_loss_finds_its_body_in_an_adapted_model(tiny, encoded, tokenizer):
    model = tiny().eval()
    remedy = auxiliary(model, encoded, tokenizer, 0.5)
    adapted = freezing.lora(model, rank=2).eval()
    remedy.model.eval()
    batch = dict(next(iter(batching.batches(encoded, tokenizer))))
    assert remedy(adapted, batch).item() > adapted(**batch).loss.item()


def test_distillation_is_the_divergence_of_the_softened_answers(tiny, encoded, tokenizer):
    model = tiny().eval()
    remedy = forgetting.Distillation(model, strength=0.7, temperature=2.0)
    bigger = grown(model).eval()
    batch = next(iter(batching.batches(encoded, tokenizer)))
    assert remedy(bigger, batch).item() == pytest.approx(bigger(**batch).loss.item(), abs=1e-5)
    with torch.no_grad():
        old = (model(**batch).logits / 2).softmax(-1)
        bigger.classifier.bias[0] += 2
        new = (bigger(**batch).logits[:, :2] / 2).softmax(-1)
        divergence = (old * (old.log() - new.log())).sum(-1).mean()
    expected = bigger(**batch).loss.item() + 0.7 * 4 * divergence.item()
    assert divergence > 0.01
    assert remedy(bigger, batch).item() == pytest.approx(expected, rel=1e-4)


def test_the_teacher_stays_as_it_was(tiny, encoded, tokenizer):
    model = tiny()
    remedy, before = forgetting.Distillation(model, 1.0), copy.deepcopy(model.state_dict())
    train(model, encoded, tokenizer, remedy)
    assert all(torch.equal(tensor, before[name]) for name, tensor in remedy.teacher.state_dict().items())
    assert not torch.equal(model.classifier.weight, before["classifier.weight"])


def test_auxiliary_loss_is_added_batch_by_batch_and_its_head_stays(tiny, encoded, tokenizer):
    model = tiny().eval()
    remedy = auxiliary(model, encoded, tokenizer, 0.5)
    head = copy.deepcopy(remedy.model.cls.predictions.transform.state_dict())
    twin = MaskingCollator(tokenizer)
    batch = next(iter(batching.batches(encoded, tokenizer)))
    remedy.model.eval()
    for _ in range(2):  # more steps than the loader has batches
        for other in batching.batches(encoded, tokenizer, 8, collate=twin):
            expected = model(**batch).loss.item() + 0.5 * remedy.model(**other).loss.item()
            assert remedy(model, batch).item() == pytest.approx(expected)
    train(model, encoded, tokenizer, remedy)
    after = remedy.model.cls.predictions.transform.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in head.items())
    assert remedy.model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight


def test_auxiliary_loss_may_be_computed_another_way(tiny, encoded, tokenizer):
    model = tiny().eval()
    remedies = [auxiliary(model, encoded, tokenizer, 0.5, **options) for options in ({}, {"loss": masked_loss})]
    batch = next(iter(batching.batches(encoded, tokenizer)))
    remedies[1].model.cls = remedies[0].model.cls
    own, other = (remedy(model, batch).item() for remedy in remedies)
    assert own == pytest.approx(other, rel=1e-5)


def test_bad_remedies_are_refused(tiny, encoded, tokenizer):
    model, loader = tiny(), batching.batches(encoded, tokenizer)
    batch = next(iter(loader))
    for strength in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="strength must be a finite number"):
            forgetting.L2SP(model, strength)
    with pytest.raises(ValueError, match="temperature"):
        forgetting.Distillation(model, 1.0, temperature=0.0)
    with pytest.raises(ValueError, match="no batches"):
        forgetting.EWC(model, [], 1.0)
    with pytest.raises(ValueError, match="no batches"):
        forgetting.Auxiliary(model, [], 1.0)
    with pytest.raises(ValueError, match="no loss"):
        forgetting.L2SP(model, 1.0)(model, {k: v for k, v in batch.items() if k != "labels"})
    with pytest.raises(ValueError, match=r"classifier\.weight has shape"):
        forgetting.L2SP(tiny(num_labels=5), 1.0)(model, batch)
    with pytest.raises(ValueError, match="shares no trainable parameter"):
        forgetting.L2SP(nn.Linear(2, 2), 1.0)(model, batch)
    with pytest.raises(ValueError, match="teacher's labels first"):
        forgetting.Distillation(tiny(num_labels=5), 1.0)(model, batch)
    with pytest.raises(ValueError, match=r"auxiliary\.bert = model\.bert"):
        forgetting.Auxiliary(tiny(BertForMaskedLM), loader, 1.0)(model, batch)


def test_a_bare_encoder_has_the_names_of_the_body(tiny):
    assert {name for name, _ in tiny(BertModel).named_parameters()} == set(forgetting.L2SP(tiny().bert, 1.0).old)


def test_distillation_refuses_labels_that_are_no_choice(tiny):
    for config in ({"problem_type": "multi_label_classification"}, {"problem_type": "regression"}, {"num_labels": 1}):
        with pytest.raises(ValueError, match="no choice among classes"):
            forgetting.Distillation(tiny(**config), 1.0)


def test_old_weights_are_remembered_even_while_they_are_frozen(tiny):
    model = tiny()
    freezing.freeze_body(model)
    remedy = forgetting.L2SP(model, 1.0)
    assert len(remedy.old) == len(list(model.parameters()))
