"""What is pretrained? The recipe, and the tokenizer and the model that it begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

if TYPE_CHECKING:
    from transformers import BertForPreTraining, PreTrainedTokenizerBase

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what the run produces, apart from the corpus and the device."""

    CODE: ClassVar[int] = 1

    steps: int = 12_000
    seed: int = 0
    layers: int = 4
    hidden: int = 256
    heads: int = 4
    vocabulary: int = 8000
    positions: int = 128
    batch_size: int = 128
    learning_rate: float = 2e-3
    warmup: float = 0.08
    weight_decay: float = 0.01
    dropout: float = 0.0
    # RoBERTa's value, for stability (Liu et al. 2019, section 3.1).
    beta2: float = 0.98
    # Twice BERT's share: more to learn from every pair (Wettig et al. 2023, "Should You Mask 15% in MLM?").
    masking: float = 0.3
    # As BERT's authors did: short sequences first, which are cheap, then long ones.
    short_steps: int = 7000  # so many steps on pairs of single sentences
    sentences: int = 3  # then pairs of up to so many on each side


def learn_tokenizer(texts: list[str], recipe: Recipe) -> PreTrainedTokenizerBase:
    """A lower-casing WordPiece tokenizer with ``recipe.vocabulary`` pieces, learned from ``texts``."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.trainers import WordPieceTrainer
    from transformers import BertTokenizer

    learned = Tokenizer(WordPiece(unk_token="[UNK]"))
    learned.normalizer = BertNormalizer(lowercase=True)
    learned.pre_tokenizer = BertPreTokenizer()
    # The trainer numbers the letters inside words as it meets them, in an order that changes from run to run, and
    # breaks ties by these numbers. Announced as special tokens they have a fixed order, and so has the vocabulary.
    letters = sorted({letter for text in texts for letter in learned.normalizer.normalize_str(text)})
    inside = [f"##{x}" for x in letters if len(learned.pre_tokenizer.pre_tokenize_str(f"a{x}")) == 1 and x.strip()]
    trainer = WordPieceTrainer(
        vocab_size=recipe.vocabulary, special_tokens=[*SPECIAL_TOKENS, *inside], show_progress=False, min_frequency=2
    )
    learned.train_from_iterator(texts, trainer)
    return BertTokenizer(vocab=learned.get_vocab(), model_max_length=recipe.positions)


def build(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> BertForPreTraining:
    """The model with random weights, drawn from ``recipe.seed``."""
    from transformers import BertConfig, BertForPreTraining

    torch.manual_seed(recipe.seed)
    return BertForPreTraining(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            intermediate_size=4 * recipe.hidden,
            max_position_embeddings=recipe.positions,
            hidden_dropout_prob=recipe.dropout,
            attention_probs_dropout_prob=recipe.dropout,
        )
    )
