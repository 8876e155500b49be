"""Is everything there that the chapters need? ``python -m helpers.check``

One line for each thing: OK, or what is wrong and how to mend it. The exit status is 1 if something is wrong. Paste all
of it into a bug report.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import sys
from collections.abc import Callable

import helpers

DISTRIBUTION = "bert-finetuning-book"
PYTHON = ((3, 11), (3, 13))
INSTALL = "In the folder of the book, run: python -m pip install -e '.[all]' -c constraints.txt"


class NotInstalled(RuntimeError):  # noqa: N818  (says what is so)
    """This Python does not have the book's packages."""


def python() -> str:
    """The interpreter is one of those the book is tested with."""
    if not PYTHON[0] <= sys.version_info[:2] <= PYTHON[1]:
        raise RuntimeError(
            f"Python {platform.python_version()} is not supported. Make an environment with Python 3.11, 3.12 or 3.13."
        )
    return f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"


def packages() -> str:
    """Every required package is installed, in a version within its bounds."""
    try:
        from packaging.requirements import Requirement
    except ModuleNotFoundError:
        raise NotInstalled(f"The book is not installed in {sys.executable}. {INSTALL}") from None

    wrong, found = [], []
    try:
        required = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        raise NotInstalled(f"The book is not installed in {sys.executable}. {INSTALL}") from None
    for line in required:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        found.append(f"{requirement.name} {version}")
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version} is not {requirement.specifier}")
    if wrong:
        raise RuntimeError(f"{'; '.join(wrong)}. Run: python -m pip install -U '{DISTRIBUTION}[offline]'")
    return f"{DISTRIBUTION} {helpers.__version__} with {', '.join(found)}"


def device() -> str:
    """The device and the number format that ``runtime`` chooses exist."""
    from helpers import runtime

    with contextlib.redirect_stdout(None):
        chosen = runtime.start()  # also keeps the libraries quiet below
    return str(chosen).splitlines()[0]


def minilm() -> str:
    """The default encoder is there and undamaged."""
    from helpers import models

    model = models.load("minilm")
    return f"MiniLM, {model.num_parameters():,} parameters"


def pocket() -> str:
    """The pocket BERT is there and undamaged."""
    from helpers import models

    model = models.load("pocket", head="pretraining")
    return f"pocket BERT, {model.num_parameters():,} parameters"


def sets() -> str:
    """Every data set of the book can be read."""
    from helpers import data

    names = list(data.VIEWS)
    for name in names:
        data.load(name)
    return f"data sets {', '.join(names)}"


def cache() -> str:
    """The documentation corpus can be kept, so that it is harvested once."""
    from helpers.data.corpus import writable_folder

    if folder := writable_folder():
        return f"cache in {folder}"
    raise RuntimeError(
        "No folder can be written to, so the documentation corpus is harvested anew in every chapter. "
        "Set HELPERS_CACHE to a folder that you may write to."
    )


def training() -> str:
    """A model learns: one step of MiniLM changes its loss to another finite number."""
    from helpers import batching, data, models
    from helpers import training as loop

    split = data.load("intents")["train"].select(range(8))
    tokenizer = models.tokenizer("minilm")
    model = models.load("minilm", head="classification", labels=data.labels(split))
    batches = batching.batches(batching.encode(split, tokenizer, 32), tokenizer, 8, shuffle=True)
    first, second = (step["loss"] for step in loop.fit(model, batches, epochs=2).steps)
    if first == second:
        raise RuntimeError(f"Two steps of training left the loss at {first:.3f}; please report this.")
    return "two steps of training"


CHECKS: tuple[Callable[[], str], ...] = (python, packages, device, minilm, pocket, sets, cache, training)


def main(checks: tuple[Callable[[], str], ...] = CHECKS) -> int:
    """Run all checks and print a line for each; returns the exit status."""
    failed = 0
    for check in checks:
        try:
            print(f"OK       {check()}", flush=True)
        except Exception as error:
            failed += 1
            # Whatever is wrong, the line must say so and the other checks must still run.
            print(f"PROBLEM  {(check.__doc__ or check.__name__).splitlines()[0]} No: {error}", flush=True)
            if isinstance(error, NotInstalled):  # every later check would say the same in other words
                break
    print("All is well." if not failed else f"{failed} of {len(checks)} need mending.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
