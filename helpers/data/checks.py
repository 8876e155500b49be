"""Is anything wrong with these rows? Before any training.

``check`` looks for what makes a score wrong or a run useless: classes that a split lacks, texts that stand in two
splits or under two labels, names that differ by a blank, texts that the tokenizer does not know or that are cut off.
Each line of the report says what to do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from helpers.data.splits import same_text
from helpers.errors import number, with_rows

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

# A class that is so many times rarer than the commonest one is worth a word; so is a share of pieces or texts.
RARE, SHARE = 10, 0.01


@dataclass
class Report:
    """What was found. Prints as lines; ``facts`` holds the numbers by name, ``problems`` the lines that want doing."""

    facts: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join([*self.lines, *(f"! {problem}" for problem in self.problems)] or ["Nothing to report."])

    __repr__ = __str__


def check(
    splits: Mapping[str, Dataset], tokenizer: PreTrainedTokenizerBase | None = None, max_length: int = 128
) -> Report:
    """Look at all splits of a data set.

    Args:
        splits: as ``data.load`` and ``data.read`` give them: texts, pairs or words, with labels.
        tokenizer, max_length: as for ``batching.encode``; without a tokenizer, pieces are not counted.

    Facts: ``rows``, ``classes`` (by split), ``missing``, ``within``, ``across``, ``contradictions``, ``alike``,
    ``empty``, ``imbalance``, and with a tokenizer ``unknown`` and ``cut_off``, shares by split. Raises ``ValueError``
    for what are no splits with rows.
    """
    number("max_length", max_length, low=3, whole=True)
    if not isinstance(splits, Mapping) or not splits:
        raise ValueError(f"Give all splits, as data.load or data.read returns them; got {type(splits).__name__}.")
    for rows in splits.values():
        with_rows(rows)
    report = Report()
    texts = {split: _texts(rows) for split, rows in splits.items()}
    labels = {split: _labels(rows) for split, rows in splits.items()}
    report.facts["rows"] = {split: len(rows) for split, rows in splits.items()}
    report.lines.append("rows: " + ", ".join(f"{split} {n:,}" for split, n in report.facts["rows"].items()))
    _classes(report, labels)
    _repeated(report, texts, labels)
    report.facts["empty"] = {split: sum(not text.strip() for text in found) for split, found in texts.items()}
    if empty := sum(report.facts["empty"].values()):
        report.problems.append(
            f"{empty} texts are empty. Leave them out: splits.filter(lambda row: row['text'].strip())."
        )
    if tokenizer is not None:
        _pieces(report, texts, tokenizer, max_length)
    if not report.problems:
        report.lines.append("Nothing looks wrong.")
    return report


def _texts(rows: Dataset) -> list[str]:
    """One text a row: what the model reads."""
    names = rows.column_names
    if "tokens" in names:
        return [" ".join(words) for words in rows["tokens"][:]]
    read = [name for name in ("text", "sentence1", "sentence2", "prompt", "question", "context") if name in names]
    if not read:
        raise ValueError(f"Found no text in the columns {names}.")
    return ["\n".join(map(str, values)) for values in zip(*(rows[name][:] for name in read), strict=True)]


def _labels(rows: Dataset) -> list[str] | None:
    """The name of each row's class; ``None`` where labels are no classes."""
    feature = rows.features.get("label")
    if feature is None or not hasattr(feature, "names"):
        return None
    return ["" if label is None else feature.names[label] for label in rows["label"][:]]


def _classes(report: Report, labels: Mapping[str, list[str] | None]) -> None:
    counted = {split: Counter(found) for split, found in labels.items() if found is not None}
    report.facts |= {"classes": counted, "missing": {}, "alike": [], "imbalance": 1.0}
    if not counted:
        return
    names = sorted(set().union(*counted.values()))
    report.lines.append(f"classes: {len(names)}, {_listed(names)}")
    missing = {split: [name for name in names if not found[name]] for split, found in counted.items()}
    report.facts["missing"] = {split: gone for split, gone in missing.items() if gone}
    for split, gone in report.facts["missing"].items():
        why = "cannot be learned" if split == "train" else "are not measured"
        report.problems.append(
            f"{split} has no row of {_listed(gone)}; they {why}. Cut the splits anew, stratified: data.read of one "
            f"file."
        )
    by_form = defaultdict(list)
    for name in names:
        by_form[same_text(name)].append(name)
    report.facts["alike"] = [alike for alike in by_form.values() if len(alike) > 1]
    for alike in report.facts["alike"]:
        report.problems.append(
            f"The labels {', '.join(map(repr, alike))} differ by case or blanks only. Make them one."
        )
    train = counted.get("train", next(iter(counted.values())))
    most, least = train.most_common()[0], train.most_common()[-1]
    report.facts["imbalance"] = most[1] / least[1]
    if report.facts["imbalance"] >= RARE:
        report.problems.append(
            f"{least[0]!r} has {least[1]} rows and {most[0]!r} {most[1]}: accuracy will say little. Look at the F1 "
            f"of each "
            "class, weigh the rare ones up, and compare with the majority baseline."
        )


def _repeated(report: Report, texts: Mapping[str, list[str]], labels: Mapping[str, list[str] | None]) -> None:
    forms = {split: [same_text(text) for text in found] for split, found in texts.items()}
    report.facts["within"] = {split: len(found) - len(set(found)) for split, found in forms.items()}
    report.facts["across"] = {
        f"{one} and {other}": len(set(forms[one]) & set(forms[other])) for one, other in combinations(forms, 2)
    }
    if within := sum(report.facts["within"].values()):
        report.problems.append(f"{within} texts stand in their split more than once. Keep one of each.")
    for pair, count in report.facts["across"].items():
        if count:
            report.problems.append(
                f"{count} texts stand in {pair}: the score on them is memory. Cut the splits anew: data.read of one "
                f"file."
            )
    named: dict[str, set[str]] = defaultdict(set)
    for split, found in forms.items():
        for form, label in zip(found, labels[split] or [], strict=False):
            named[form].add(label)
    report.facts["contradictions"] = sum(len(names) > 1 for names in named.values())
    if report.facts["contradictions"]:
        example = next(form for form, names in named.items() if len(names) > 1)
        report.problems.append(
            f"{report.facts['contradictions']} texts have more than one label, such as {example[:60]!r} "
            f"({', '.join(sorted(named[example]))}). Decide for one, or let the task allow several."
        )


def _pieces(
    report: Report, texts: Mapping[str, list[str]], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> None:
    room = max_length - tokenizer.num_special_tokens_to_add()
    unknown, cut_off = {}, {}
    for split, found in texts.items():
        pieces = [ids for start in range(0, len(found), 1000) for ids in _ids(found[start : start + 1000], tokenizer)]
        total = sum(map(len, pieces)) or 1
        unknown[split] = sum(ids.count(tokenizer.unk_token_id) for ids in pieces) / total
        cut_off[split] = sum(len(ids) > room for ids in pieces) / len(pieces)
    report.facts |= {"unknown": unknown, "cut_off": cut_off}
    if max(unknown.values()) > SHARE:
        report.problems.append(
            f"{max(unknown.values()):.1%} of the pieces are {tokenizer.unk_token}: signs or a language that the "
            f"model was "
            "not trained on. Take a model for the language, or mend the encoding."
        )
    if max(cut_off.values()) > SHARE:
        report.problems.append(
            f"{max(cut_off.values()):.1%} of the texts have more than {max_length} pieces and lose their end. Raise "
            "max_length, or read head and tail, or windows."
        )


def _ids(texts: list[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]


def _listed(names: Iterable[str]) -> str:
    names = [repr(name) for name in names]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
