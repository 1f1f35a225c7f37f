"""LoraKernel: a layer whose kernel is frozen and gets a trainable update of low rank (LoRA)."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal import keras_private
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.initializers import per_group
from sparse_keras.layers.validation import optional_number, positive_int


class LoraKernel:
    """Mixin of layers with a `kernel`, for LoRA as in `keras.layers.Dense`.

        x @ kernel + alpha / rank * (x @ A) @ B

    The kernel is frozen. A and B are float32, and B is zero at first, so that the outputs stay what
    they were. The kernels of a bank, `[E, A, B]`, get a pair of matrices for each expert.

    Subclasses call `add_lora_update` where they multiply by the kernel.

    Attributes:
        lora_enabled: Whether LoRA is enabled.
        lora_rank: The rank, or `None`.
        lora_alpha: The update is scaled by `lora_alpha / lora_rank`. `None` without LoRA.
        lora_kernel_a: Variable `[..., A, rank]`, or `None`.
        lora_kernel_b: Variable `[..., rank, B]`, or `None`.

    Reference:
        [LoRA](https://arxiv.org/abs/2106.09685).
    """

    lora_enabled = False
    lora_rank: int | None = None
    lora_alpha: float | None = None
    lora_kernel_a: keras.Variable | None = None
    lora_kernel_b: keras.Variable | None = None

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
    ) -> None:
        """Freezes the kernel and adds a trainable update of low rank.

        Compile a model again after enabling LoRA in one of its layers, or use
        `sparse_keras.enable_lora(model, rank)`, which does it for all layers of a model.

        Args:
            rank: Rank of the update of one matrix.
            lora_alpha: The update is scaled by `lora_alpha / rank`. `None` means `rank`.
            a_initializer: Initializer of one matrix A.
            b_initializer: Initializer of one matrix B.

        Raises:
            ValueError: If the layer is not built, has LoRA already, or has a constraint on its
                kernel.
            NotImplementedError: If the layer does not support LoRA.
        """
        rank = positive_int("rank", rank)
        lora_alpha = optional_number("lora_alpha", lora_alpha, "(0, inf)")
        name = f"{self.name!r} ({type(self).__name__})"
        if reason := self.why_no_lora():
            raise NotImplementedError(f"{name} does not support LoRA: {reason}")
        if not self.built:
            raise ValueError(f"Build {name} before `enable_lora`: the layer has no weights yet.")
        if self.lora_enabled:
            raise ValueError(
                f"LoRA is already enabled in {name}, with rank {self.lora_rank}. Call "
                "`merge_lora()` before you enable it again."
            )
        if getattr(self, "kernel_constraint", None) is not None:
            raise ValueError(
                f"LoRA does not fit a `kernel_constraint`, which would not hold for the sum of "
                f"kernel and update. Received: {self.kernel_constraint!r} in {name}."
            )
        *groups, height, width = self.kernel_shape
        prefix = self.kernel.name.removesuffix("kernel")
        with keras_private.unlocked(self):
            self.lora_kernel_a = self._add_lora_matrix(
                f"{prefix}lora_kernel_a", (*groups, height, rank), a_initializer
            )
            self.lora_kernel_b = self._add_lora_matrix(
                f"{prefix}lora_kernel_b", (*groups, rank, width), b_initializer
            )
        self.kernel.trainable = False
        self.lora_enabled = True
        self.lora_rank = rank
        self.lora_alpha = rank if lora_alpha is None else lora_alpha

    def _add_lora_matrix(self, name, shape, initializer):
        initializer = keras.initializers.get(initializer)
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=per_group(initializer, name) if len(shape) == 3 else initializer,
            dtype="float32",  # Updates are small.
            regularizer=self._lora_regularizer(),
        )

    def why_no_lora(self) -> str | None:
        """Returns why the layer does not support LoRA, a sentence; `None` if it does."""
        return None

    def _lora_regularizer(self):
        return self.kernel_regularizer

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        """The shape of the kernel as it multiplies: that of a packed one differs."""
        return tuple(self.kernel.shape)

    @property
    def lora_scale(self) -> float:
        """The factor of the update, `lora_alpha / lora_rank`."""
        return self.lora_alpha / self.lora_rank

    def add_lora_update(self, product: Tensor, inputs: Tensor) -> Tensor:
        """Returns `product`, which is `inputs @ kernel`, with the update of LoRA if enabled.

        For tensors. A kernel with groups multiplies `GroupedRows`; see `GroupedDense`.
        """
        if not self.lora_enabled:
            return product
        update = ops.matmul(ops.matmul(inputs, self.lora_kernel_a), self.lora_kernel_b)
        return product + ops.cast(self.lora_scale * update, product.dtype)

    def merge_lora(self) -> None:
        """Adds the update to the kernel, and removes the matrices of LoRA.

            kernel = kernel + alpha / rank * A @ B

        The kernel is trainable again if the layer is. A quantized kernel is quantized again, with
        new scales, which rounds.

        Raises:
            ValueError: If LoRA is not enabled.
        """
        if not self.lora_enabled:
            raise ValueError(
                f"LoRA is not enabled in {self.name!r} ({type(self).__name__}). Nothing to merge."
            )
        a, b = (ops.convert_to_numpy(v) for v in (self.lora_kernel_a, self.lora_kernel_b))
        self._add_to_kernel(self.lora_scale * (a @ b))
        self._remove_lora()

    def _add_to_kernel(self, update):
        self.kernel.assign(self.kernel + ops.cast(update, self.kernel.dtype))
        self.kernel.trainable = self.trainable

    def _remove_lora(self):
        for name in ("lora_kernel_a", "lora_kernel_b"):
            keras_private.untrack_variable(self, vars(self).pop(name))
        self.lora_enabled = False
        self.lora_rank = self.lora_alpha = None

    # Files. The kernel is saved as it is, and the matrices beside it: Keras's Dense saves the sum,
    # from which training cannot go on, since loading sets A and B to zero.

    def save_own_variables(self, store: Any) -> None:
        lora = [] if not self.lora_enabled else [self.lora_kernel_a, self.lora_kernel_b]
        with keras_private.hidden_variables(self, lora):
            super().save_own_variables(store)
        if self.lora_enabled:
            store["lora_kernel_a"] = self.lora_kernel_a
            store["lora_kernel_b"] = self.lora_kernel_b
            store["lora_alpha"] = ops.convert_to_tensor(self.lora_alpha, "float32")

    def load_own_variables(self, store: Any) -> None:
        names = ("lora_kernel_a", "lora_kernel_b", "lora_alpha")
        found = {name: store[name] for name in names if name in store.keys()}
        ours = {name: store[name] for name in store.keys() if name not in names}
        lora = [] if not self.lora_enabled else [self.lora_kernel_a, self.lora_kernel_b]
        with keras_private.hidden_variables(self, lora):
            super().load_own_variables(ours)
        if found:
            self._load_lora(*(ops.convert_to_numpy(found[name]) for name in names))
        elif self.lora_enabled:  # A file of the model without LoRA.
            self.lora_kernel_b.assign(ops.zeros(self.lora_kernel_b.shape))

    def _load_lora(self, a, b, alpha):
        rank, alpha = a.shape[-1], float(alpha)
        if not self.lora_enabled:  # The outputs are those of the model that was saved.
            self._add_to_kernel(alpha / rank * (a.astype("float32") @ b.astype("float32")))
            return
        if rank != self.lora_rank:
            raise ValueError(
                f"{self.name!r} has LoRA of rank {self.lora_rank}. Received: weights of rank "
                f"{rank}. Enable LoRA with that rank, or call `merge_lora()` before you load."
            )
        self.lora_kernel_a.assign(a)
        self.lora_kernel_b.assign(b)
        self.lora_alpha = alpha
