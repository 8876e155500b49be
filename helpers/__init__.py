"""Small, tested tools for fine-tuning BERT: the library under the book.

Each module answers one question, and data flows one way, from the first to the last:

- ``errors``: which of the known names was meant?
- ``renamed``: what was this called before?
- ``runtime``: where does the code run?
- ``data``: which examples?
- ``architecture``: where is what inside a model?
- ``batching``: how do examples become tensors?
- ``growing``: how does a trained classifier get one label more?
- ``settings``: do the settings, the labels and the checkpoint of a model fit together?
- ``heads``: how do tensors become predictions?
- ``mpnet``: where is a model of base size?
- ``models``: which pretrained encoder?
- ``freezing``: which parameters learn?
- ``optimizers``: how do they move?
- ``answers``: how right is a passage's answer?
- ``counts``: how many of what was named are right?
- ``metrics``: how good at this task, in one number or per class?
- ``evaluation``: how good is the model on these batches?
- ``uncertainty``: how sure is a score?
- ``baselines``: what is a score worth?
- ``inspection``: can this model learn from these batches?
- ``parallel``: how do several processes share one batch?
- ``checkpoints``: how does a run go on where it was stopped?
- ``history``: what happened in a run?
- ``training``: the loop
- ``features``: what does a frozen encoder say of each text?
- ``passages``: which part of a long text is worth reading?
- ``retrieval``: the name that ``passages`` had until version 0.1
- ``forgetting``: what was lost?
- ``figures``: what does it look like?
- ``claims``: is it true?
- ``check``: is everything there?

Importing the package is cheap: PyTorch and transformers load with the module that needs them.
"""

__version__ = "0.1.0"


def require(version: str) -> None:
    """Stop a notebook that was written for another version of the book; patch versions (0.1.x) go together.

    Raises ``RuntimeError`` that names both versions and the way out.
    """
    if version.split(".")[:2] != __version__.split(".")[:2]:
        raise RuntimeError(
            f"This notebook belongs to version {version} of the book, and helpers {__version__} is installed. Install "
            f"that version, or open the notebook of version {__version__}."
        )
