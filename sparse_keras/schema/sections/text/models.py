"""`model`: the models of texts."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from sparse_keras._internal.builders import builder_of, resolve
from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.model_section import ModelSection
from sparse_keras.schema.core.section import (
    BrokenRules,
    Count,
    CountOrZero,
    Fraction,
    PathOrName,
    Positive,
    Section,
)
from sparse_keras.schema.sections.experts import (
    Activation,
    ExpertsSection,
    GLUExperts,
    LowRankExperts,
    MLPExperts,
)
from sparse_keras.schema.sections.mixtures import conflicts_with_experts
from sparse_keras.schema.sections.routers import RouterConfig, TopKRouter
from sparse_keras.schema.sections.text.attention import AttentionConfig, GroupedQuery, Rotary
from sparse_keras.schema.sections.upcycling import Upcycle

# Banks whose output has the width of their input.
BlockExpertsConfig = Annotated[
    ExpertsSection,
    Choice("experts of a Transformer block", GLUExperts, MLPExperts, LowRankExperts),
]
_OF_EXPERTS = (
    "router",
    "shared_expert",
    "dense_layers",
    "every",
    "capacity_factor",
    "eval_capacity_factor",
    "drop_order",
)


class SharedGLU(Section):
    """A gated expert that every token passes through, besides those the router chooses."""

    hidden_dim: Count = Field(description="Width of both its projections.")
    activation: Activation = Field("silu", description="Activation of its gate.")
    gated: bool = Field(
        False,
        description="Whether a learned sigmoid gate scales the output for each token, as in "
        "Qwen2-MoE.",
    )


class TransformerSection(ModelSection):
    """A stack of Transformer blocks on token ids."""

    DENSE_ROLE = "feed_forward"

    depth: Count = Field(4, description="Number of blocks.")
    width: Count = Field(128, description="Width of embeddings and blocks.")
    num_heads: Count = Field(4, description="Number of heads of queries.")
    hidden_dim: Count | None = Field(
        None, description="Width of the hidden layer of dense blocks. Null: there are none."
    )
    activation: Activation = Field("silu", description="Activation of dense blocks.")
    gated: bool = Field(
        True, description="Whether dense blocks have a gate (Llama), or not (GPT-2)."
    )
    experts: BlockExpertsConfig | None = Field(
        None,
        description="What each expert computes, and the number of experts. Null: all blocks are "
        "dense.",
    )
    router: RouterConfig = Field(
        default_factory=TopKRouter, description="Which experts each token goes to."
    )
    shared_expert: SharedGLU | None = Field(
        None, description="An expert that every token passes through. Null: none."
    )
    dense_layers: CountOrZero | list[CountOrZero] = Field(
        0,
        description="Number of first blocks that are dense nevertheless (DeepSeek), or a list of "
        "the numbers of such blocks, from 0 on.",
    )
    every: Count = Field(
        1, description="Every so many blocks, one is sparse; the others are dense. 1: all."
    )
    capacity_factor: Positive | None = Field(
        None,
        description="Maximum number of tokens per expert in training, relative to an even share; "
        "the rest are dropped. Null: no limit.",
    )
    eval_capacity_factor: Positive | None = Field(
        None, description="The same outside training. Null: no limit."
    )
    drop_order: Literal["position", "batch_priority", "score"] = Field(
        "position",
        description="Which tokens an expert over its capacity drops: later choices first, then "
        "later tokens (position) or tokens with a low best score (batch_priority); or the tokens "
        "with the lowest scores (score).",
    )
    dropout: Fraction = Field(
        0.0,
        description="Fraction dropped in training, of the embeddings and of each block's two "
        "outputs.",
    )
    num_kv_heads: Count | None = Field(
        None, description="Number of heads of keys and values. Null: as many as num_heads."
    )
    head_dim: Count | None = Field(
        None, description="Width of a head. Null: width divided by num_heads."
    )
    use_bias: bool = Field(
        False, description="Whether matrices of attention and dense blocks have biases (GPT-2)."
    )
    attention: AttentionConfig = Field(
        default_factory=GroupedQuery, description="How tokens see each other."
    )
    rotary: Rotary | None = Field(
        default_factory=Rotary, description="Rotary positions. Null: none."
    )
    learned_positions: bool = Field(
        False, description="Whether each position has an embedding of its own (GPT-2)."
    )
    norm: Literal["rms", "layer"] = Field("rms", description="Kind of normalization.")
    norm_placement: Literal["pre", "post"] = Field(
        "pre", description="Whether each block normalizes its input (pre) or its output (post)."
    )
    norm_epsilon: Positive = Field(1e-6, description="Epsilon of all normalizations.")
    residual_multiplier: Positive = Field(
        1.0, description="Factor of the two outputs of each block (Granite)."
    )

    @property
    def sparse_blocks(self) -> int:
        """The number of blocks with experts."""
        if self.experts is None:
            return 0
        dense = self.dense_layers
        dense = set(dense if isinstance(dense, list) else range(min(dense, self.depth)))
        return sum((n + 1) % self.every == 0 for n in range(self.depth) if n not in dense)

    def rules(self) -> BrokenRules:
        dense = self.depth - self.sparse_blocks
        if dense and self.hidden_dim is None:
            yield "hidden_dim", f"is needed: {dense} of {self.depth} blocks are dense"
        if self.width % self.num_heads and self.head_dim is None:
            yield "num_heads", f"does not divide width, which is {self.width}; set head_dim"
        if self.num_kv_heads is not None and self.num_heads % self.num_kv_heads:
            yield "num_kv_heads", f"does not divide num_heads, which is {self.num_heads}"
        window = getattr(self.attention, "sliding_window", None)
        if isinstance(window, list) and not 0 < len(window) <= self.depth:
            yield (
                "attention.sliding_window",
                f"has {len(window)} windows, for {self.depth} blocks",
            )
        if self.experts is None:
            return
        if isinstance(self.dense_layers, list) and max(self.dense_layers, default=0) >= self.depth:
            yield "dense_layers", f"names a block that is not there: depth is {self.depth}"
        yield from conflicts_with_experts(self.router, self.experts)
        if not self.sparse_blocks:
            yield (
                "experts",
                f"no block has them: depth is {self.depth}, dense_layers {self.dense_layers} and "
                f"every {self.every}",
            )

    def unused(self) -> dict[str, str]:
        unused = {}
        if self.experts is None:
            unused = dict.fromkeys(_OF_EXPERTS, "experts is null")
        elif self.capacity_factor is None and self.eval_capacity_factor is None:
            unused["drop_order"] = "no token is dropped without a capacity factor"
        if self.experts is not None and self.sparse_blocks == self.depth:
            no_dense = "all blocks have experts"
            unused |= dict.fromkeys(("hidden_dim", "activation", "gated"), no_dense)
        if self.attention.type == "latent":
            keys = ("num_kv_heads", "head_dim", "use_bias")
            unused |= dict.fromkeys(keys, "attention is latent")
        return unused

    def build(self, inputs: Any, task: Any) -> Any:
        self.check_inputs(inputs)
        return super().build(inputs, task)

    @property
    def has_dense_beside_experts(self) -> bool:
        return self.experts is not None and self.sparse_blocks < self.depth

    def check_inputs(self, inputs: Any) -> None:
        """Raises a ValueError if the data are no texts."""
        if not hasattr(inputs, "vocabulary_size"):
            raise ValueError(
                f"model.type {self.type!r} reads texts. Received data of another kind, "
                f"{type(inputs).__name__}. Choose a data set of texts, or another model."
            )

    def dense_twin(self, width: int) -> dict[str, Any] | None:
        if self.experts is None:
            return None
        values = self.model_dump(exclude=set(_OF_EXPERTS))
        return values | {
            "experts": None,
            "hidden_dim": width,
            "activation": self.experts.activation,
            "gated": self.experts.type == "glu",
        }


class TrainedSection(TransformerSection):
    """A Transformer that may be a trained one.

    Attributes:
        BESIDE_CHECKPOINT: The keys that a checkpoint does not say.
    """

    FILES = FOLDERS = ("checkpoint",)
    ADDED = ("checkpoint", "upcycle")
    BESIDE_CHECKPOINT: ClassVar[tuple[str, ...]] = ()

    checkpoint: PathOrName | None = Field(
        None,
        description="A model to train further, instead of one of random weights: a published one, "
        "which is a folder with config.json and safetensors files, or another file or name as for "
        "`sparse_keras.load_pretrained`: a language model for causal_lm, an encoder for "
        "text_classifier. Or a run's folder or a .keras file of such a model. It says all other "
        "keys but upcycle, and the head, the pooling and the dropout of a published encoder. Null: "
        "none.",
    )
    upcycle: Upcycle | None = Field(
        None,
        description="How feed-forward layers of the checkpoint become mixtures of experts before "
        "training. Null: the model stays as it is.",
    )

    def rules(self) -> BrokenRules:
        if self.checkpoint is not None:
            return
        if self.upcycle is not None:
            yield "upcycle", "needs checkpoint: the dense model that experts start from"
            return
        yield from super().rules()

    def rules_with(self, config: Any) -> BrokenRules:
        if self.checkpoint is not None and getattr(config.data, "tokenizer", ...) is None:
            yield (
                "model.checkpoint",
                "needs data.tokenizer: the tokenizer.json that the model was trained with, or the "
                "name, the run's folder or the .keras file that is the checkpoint",
            )

    def unused(self) -> dict[str, str]:
        if self.checkpoint is None:
            return super().unused()
        others = {"type", "checkpoint", "upcycle", *self.BESIDE_CHECKPOINT}
        said = set(type(self).model_fields) - others
        return dict.fromkeys(sorted(said), "the checkpoint says it")

    def kwargs(self) -> dict[str, Any]:
        # Without them, the arguments of the builder of such models.
        values = self.model_dump(exclude={"type", "checkpoint", "upcycle"})
        if self.checkpoint is not None:
            values["checkpoint"] = self.checkpoint
        if self.upcycle is not None:
            values["upcycle"] = self.upcycle.kwargs()
        return values

    @property
    def has_dense_beside_experts(self) -> bool:
        if self.upcycle is not None:
            return self.upcycle.layers is not None
        return super().has_dense_beside_experts

    def dense_twin(self, width: int) -> dict[str, Any] | None:
        if self.upcycle is not None:  # Its width is that of the checkpoint.
            return self.model_dump(include={"type", "checkpoint", *self.BESIDE_CHECKPOINT})
        return super().dense_twin(width)


class CausalLM(TrainedSection):
    """A language model: a Transformer that predicts the next token, with experts or without."""

    GENERATES = True

    type: Literal["causal_lm"] = Field("causal_lm", description="A language model.")
    embedding_multiplier: Positive = Field(
        1.0, description="Factor of the embeddings of tokens (Granite, Gemma)."
    )
    logits_scaling: Positive = Field(1.0, description="By which logits are divided (Granite).")
    tie_embeddings: bool = Field(
        True, description="Whether embeddings and the matrix of the logits are the same."
    )

    def build(self, inputs: Any, task: Any) -> Any:
        self.check_inputs(inputs)
        if getattr(task, "kind", "next_token") != "next_token":
            raise ValueError(
                "model.type causal_lm predicts the next token. Received texts with labels, whose "
                f"task is {task.kind}. Choose model.type text_classifier, or a corpus."
            )
        if self.checkpoint is not None:
            load = resolve("sparse_keras.models.text.checkpoints:load_for_training")
            upcycle = None if self.upcycle is None else self.upcycle.kwargs()
            return load(self.checkpoint, inputs, upcycle)
        return builder_of("model", self.type)(
            vocabulary_size=inputs.vocabulary_size, context_length=inputs.length, **self.kwargs()
        )


class TextClassifier(TrainedSection):
    """A classifier of texts: a Transformer that sees a text in both directions, with experts or
    without, and pools its tokens."""

    ADDED = (*TrainedSection.ADDED, "embedding_norm")
    BESIDE_CHECKPOINT = ("pooling", "dropout", "head_dropout")

    type: Literal["text_classifier"] = Field(
        "text_classifier", description="A classifier of texts."
    )
    pooling: Literal["mean", "attention", "max", "first", "pooler"] = Field(
        "mean",
        description="How the tokens of a text become one vector: their mean, a mean weighted by a "
        "learned score of each token, the largest value of each feature, or the vector of the id "
        "that begins each text; with a checkpoint also by the pooler of BERT.",
    )
    average_embeddings: bool = Field(
        False,
        description="Whether the head also sees the mean of the embeddings, as a bag of words; a "
        "weighted one with pooling attention.",
    )
    embedding_norm: bool = Field(
        False, description="Whether embeddings get a layer normalization (BERT)."
    )
    word_dropout: Fraction = Field(
        0.0, description="Fraction of the tokens whose embeddings are dropped in training."
    )
    head_dropout: Fraction = Field(
        0.0, description="Fraction of what the head sees that is dropped in training."
    )

    def rules(self) -> BrokenRules:
        yield from super().rules()
        if self.pooling == "pooler" and self.checkpoint is None:
            yield "pooling", "'pooler' needs checkpoint: an encoder with a pooler"

    def build(self, inputs: Any, task: Any) -> Any:
        self.check_inputs(inputs)
        if getattr(task, "kind", None) == "next_token":
            raise ValueError(
                "model.type text_classifier predicts the class of a text. Received a corpus, whose "
                "texts have no labels. Choose model.type causal_lm, or texts with labels."
            )
        if self.checkpoint is not None:
            load = resolve("sparse_keras.models.text.checkpoints:load_classifier_for_training")
            values = self.kwargs()
            return load(values.pop("checkpoint"), inputs, task, **values)
        return super().build(inputs, task)
