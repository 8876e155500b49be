"""The name that ``passages`` had until version 0.1; its embeddings are in ``features``."""

from helpers import renamed

renamed.keep(__name__)
