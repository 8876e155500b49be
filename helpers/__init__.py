"""Small, tested tools for fine-tuning BERT: the library under the book.

Each module answers one question, and data flows one way, from the first to the last:

- ``errors``: which of the known names was meant?
- ``runtime``: where does the code run?
- ``data``: which examples?
- ``architecture``: where is what inside a model?
- ``growing``: how does a trained classifier get one label more?
- ``heads``: how do tensors become predictions?
- ``settings``: do the settings, the labels and the checkpoint of a model fit together?
- ``mpnet``: where is a model of base size?
- ``models``: which pretrained encoder?
- ``batching``: how do examples become tensors?
- ``freezing``: which parameters learn?
- ``optimizers``: how do they move?
- ``answers``: how right is a passage's answer?
- ``metrics``: how good at this task, in one number or per class?
- ``evaluation``: how good, and how sure?
- ``inspection``: can this model learn from these batches?
- ``parallel``: how do several processes share one batch?
- ``checkpoints``: how does a run go on where it was stopped?
- ``history``: what happened in a run?
- ``training``: the loop
- ``features``: what does a frozen encoder say of each text?
- ``retrieval``: which passages answer?
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
