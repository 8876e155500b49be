"""What builds and guards the book: run the notebooks, keep them clean, install their kernels. Run from the root."""
