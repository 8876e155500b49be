"""Small, tested tools for fine-tuning BERT: the library under the book.

Each module answers one question, and data flows one way, from the first to the last:

``runtime`` where does the code run? · ``data`` which examples? · ``models`` which pretrained encoder? ·
``batching`` how do examples become tensors? · ``heads`` how do tensors become predictions? ·
``freezing`` which parameters learn? · ``optimizers`` how do they move? · ``training`` the loop ·
``evaluation`` how good, and how sure? · ``forgetting`` what was lost? · ``figures`` what does it look like? ·
``claims`` is it true?

Importing the package is cheap: PyTorch and transformers load with the module that needs them.
"""

__version__ = "0.1.0"
