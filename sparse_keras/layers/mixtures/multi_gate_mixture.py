"""MultiGateMixtureOfExperts: several gates over banks of experts, for several tasks."""

import math
from typing import Any

import keras
from keras import ops

from sparse_keras.layers.experts.base import check_takes_tokens
from sparse_keras.layers.mixtures.mixture import Mixture
from sparse_keras.layers.mixtures.resolve import (
    refuse_token_ids,
    resolve_banks,
    resolve_routers,
    resolve_visible,
)
from sparse_keras.layers.mixtures.routing_hooks import apply_hooks
from sparse_keras.layers.mixtures.tokens import (
    as_tokens,
    by_expert,
    check_input_shape,
    token_mask_of,
)
from sparse_keras.layers.routers import Router
from sparse_keras.layers.routers.routing import every_slot, open_slots


@keras.saving.register_keras_serializable(package="sparse_keras")
class MultiGateMixtureOfExperts(Mixture):
    """Mixes the same experts in several ways, with one gate and one output for each task.

        y_gate = sum over the experts e that are visible to the gate of weight_gate,e * expert_e(x)

    One bank that all gates see is MMoE. Several banks, of which a gate sees some, are the
    customized gate control (CGC) of PLE. An expert computes a token once for all gates that chose
    it, and not at all if none did. The gates combine `[S, N, output width]` numbers of each bank,
    S being the smaller of E and the sum of the gates' k.

    Args:
        experts: An expert bank, such as `DenseExperts(num_experts=8, units=16)`; or a dict from
            names to banks, the groups of experts.
        routers: Dict from the name of each gate, usually a task, to its router, the name of one, or
            a dict with that name under `"type"`; such as `dict.fromkeys(tasks, "dense")`.
        visible: Optional dict from a gate's name to the list of groups that it sees. A gate that is
            not in it sees all groups. Experts are numbered in the order of `experts`.

    Call arguments:
        inputs: Tensor `[..., D]` of rank 2, 3 or 4, the input of all experts and all gates. Or a
            dict of such tensors, of which only the last axes may differ: one under the name of each
            group, for its experts, and one under the name of each gate, for its router. (A group
            and a gate of the same name have the same input.)
        mask: Optional bool tensor with the leading axes of `inputs` (or the first of them). Tokens
            where it is False are padding: they reach no expert, and get zeros.
        training: Whether the call is part of training. Auxiliary losses are added and statistics
            updated only then.
        return_routing: Whether to return the routings as well.

    Output shape:
        A dict with a tensor for each gate: the shape of `inputs`, except that the last axis is the
        output width of the experts that the gate sees. With `return_routing=True`, a pair of it and
        a dict from gates to routings, as routers return them.

    Raises:
        ValueError: If names are unknown, if numbers of experts or widths differ, or if the rank of
            the input is not 2, 3 or 4.

    Example:

    >>> layer = sparse_keras.layers.MultiGateMixtureOfExperts(
    ...     sparse_keras.layers.DenseExperts(num_experts=8, units=16),
    ...     routers={"income": "dense", "married": {"type": "top_k", "k": 2}},
    ... )
    >>> outputs = layer(np.ones((4, 100), "float32"))
    >>> {task: tuple(output.shape) for task, output in outputs.items()}
    {'income': (4, 16), 'married': (4, 16)}

    Reference:
        [MMoE](https://doi.org/10.1145/3219819.3220007);
        [PLE](https://doi.org/10.1145/3383313.3412236), section 4.
    """

    def __init__(
        self,
        experts: Any,
        routers: dict[str, Any],
        visible: dict[str, list[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.experts = resolve_banks(experts, kwargs.get("dtype"))
        for bank in self.experts.values():
            check_takes_tokens(self, bank)
        self.routers = resolve_routers(routers)
        refuse_token_ids(self, *self.routers.values())
        self.visible = resolve_visible(visible, self.experts, self.routers)
        for gate, router in self.routers.items():
            router.set_num_experts(sum(self.experts[group].num_experts for group in self._of(gate)))
        self.supports_masking = True
        self.own(*self.experts.values(), *self.routers.values())

    @property
    def gates(self) -> dict[str, Router]:
        return self.routers

    def _of(self, gate):
        """Lists the groups that a gate sees, in the order of its experts."""
        return self.visible.get(gate, list(self.experts))

    def _places(self, gate):
        """Returns a dict from each group that a gate sees to the slice of the gate's experts."""
        places, start = {}, 0
        for group in self._of(gate):
            stop = start + self.experts[group].num_experts
            places[group], start = slice(start, stop), stop
        return places

    def expert_names(self, gate: str) -> list[str]:
        """Lists the names of a gate's experts, such as `["experts_0", "experts_1"]`, in order."""
        return [
            f"{group}_{e}"
            for group in self._of(gate)
            for e in range(self.experts[group].num_experts)
        ]

    def build(self, input_shape: Any) -> None:
        shapes = self._by_name(input_shape)
        for name, shape in shapes.items():
            check_input_shape(self, shape)
            parts = (self.experts.get(name), self.routers.get(name))
            for part in parts:
                if part is not None and not part.built:
                    part.build((None, shape[-1]))
        for gate in self.routers:
            widths = {g: self.experts[g].output_width(shapes[g][-1]) for g in self._of(gate)}
            if len(set(widths.values())) > 1:
                raise ValueError(
                    "Experts that a gate mixes must have outputs of one width. Received: gate "
                    f"{gate!r} with widths {widths}."
                )
        self.add_statistics()
        self.built = True

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool | None = None,
        return_routing: bool = False,
    ) -> Any:
        first = keras.tree.flatten(inputs)[0]
        token_mask = self._token_mask(mask, first)
        if isinstance(inputs, dict):
            tokens = {
                name: as_tokens(self, tensor, token_mask)
                for name, tensor in self._by_name(inputs).items()
            }
        else:
            tokens = self._by_name(as_tokens(self, inputs, token_mask))

        routings, weights, opened = {}, {}, {}
        for gate, router in self.routers.items():
            routing = router(
                tokens[gate],
                mask=token_mask,
                training=training,
                **router.call_arguments(first),
            )
            routings[gate] = apply_hooks(self, gate, routing, token_mask, training)
            weights[gate], opened[gate] = by_expert(routings[gate], router)
        outputs = {}
        for group, bank in self.experts.items():
            gates = {gate: self._places(gate) for gate in self.routers}
            gates = {gate: places[group] for gate, places in gates.items() if group in places}
            if not gates:
                continue
            chosen, index = self._run(bank, tokens[group], gates, opened, training)
            for gate, place in gates.items():
                weight = weights[gate][:, place]
                if index is not None:
                    weight = ops.take_along_axis(weight, index, axis=1)
                weight = ops.cast(ops.transpose(weight), chosen.dtype)
                part = ops.sum(chosen * weight[..., None], axis=0)
                outputs[gate] = outputs[gate] + part if gate in outputs else part
        outputs = {gate: self._unflatten(outputs[gate], first) for gate in self.routers}

        if training:
            self._record(routings, opened, token_mask, ops.shape(first)[0])
        return (outputs, routings) if return_routing else outputs

    def _run(self, bank, tokens, gates, opened, training):
        """Computes each expert of a bank for the tokens for which any gate opened it.

        Args:
            bank: The bank.
            tokens: `[N, D]`.
            gates: Dict from the gates that see the bank to the place of its experts among theirs.
            opened: Dict from gates to bool `[N, their experts]`.
            training: As in `call`.

        Returns:
            Outputs `[S, N, B]`, zeros where no gate opened the expert (if a gate opens all experts,
            rows of padding may hold anything, as their weight is 0), and the expert of each slot,
            int32 `[N, S]`, or `None` if slot e is expert e.
        """
        num_experts, num_tokens = bank.num_experts, ops.shape(tokens)[0]
        if any(_opens_all(self.routers[gate]) for gate in gates):
            rows = ops.tile(tokens, (num_experts, 1))
            sizes = ops.broadcast_to(ops.cast(num_tokens, "int32"), (num_experts,))
            rows = bank(rows, sizes, training=training)
            return ops.reshape(rows, (num_experts, num_tokens, rows.shape[-1])), None

        union = None
        for gate, place in gates.items():
            part = opened[gate][:, place]
            union = part if union is None else ops.logical_or(union, part)
        slots = self._slots(bank, gates)
        if slots == num_experts:
            index = None
            every_index = every_slot(ops.cast(union, "float32"))["expert_index"]
            plan = self.dispatcher.plan(every_index, union, num_experts)
        else:
            index, _, is_open = open_slots(ops.cast(union, "float32"), union, slots)
            plan = self.dispatcher.plan(index, is_open, num_experts)
        rows = self.dispatcher.compute(bank, tokens, plan, training=training)
        return self.dispatcher.collect(rows, plan), index

    def _slots(self, bank, gates):
        """Returns the most experts of a bank that the gates open together."""
        return min(bank.num_experts, sum(self.routers[gate].slots for gate in gates))

    def _record(self, routings, opened, token_mask, examples):
        losses = []
        for gate in self.routers:
            load = ops.sum(ops.cast(opened[gate], "float32"), axis=0)
            loss = self.record(gate, routings[gate], load, ops.sum(load), token_mask, examples)
            if loss is not None:
                losses.append(loss)
        if losses:
            self.add_loss(sum(losses))

    def _unflatten(self, outputs, inputs):
        outputs = ops.reshape(outputs, (*ops.shape(inputs)[:-1], outputs.shape[-1]))
        return ops.cast(outputs, self.compute_dtype)

    @property
    def _names(self):
        return list(dict.fromkeys([*self.experts, *self.routers]))

    def pack_inputs(self, tensors: list[Any]) -> Any:
        if len(tensors) == 1:
            return tensors[0]
        # Keras flattens a dict in the order of its sorted keys.
        return dict(zip(sorted(self._names), tensors, strict=True))

    def _by_name(self, inputs):
        """Returns the input, a tensor or a shape, of each group and each gate by name."""
        names = self._names
        if not isinstance(inputs, dict):
            return dict.fromkeys(names, inputs)
        if set(inputs) != set(names):
            raise ValueError(
                f"{self.name!r} takes one tensor, or a dict with one for each of {names}, its "
                f"groups of experts and its gates. Received: a dict with the keys {list(inputs)}."
            )
        return {name: inputs[name] for name in names}

    def _token_mask(self, mask, inputs):
        """Returns the mask of the tokens, bool `[N]`: True where the masks of all inputs are."""
        masks = [part for part in keras.tree.flatten(mask) if part is not None]
        masks = [token_mask_of(part, inputs) for part in masks]
        if not masks:
            return None
        return ops.all(ops.stack(masks), axis=0) if len(masks) > 1 else masks[0]

    def gate_weights(self, inputs: Any, mask: Any = None) -> dict[str, Any]:
        """Returns the weight that each gate gives to each of its experts, outside training.

        Args:
            inputs: As for a call.
            mask: As for a call.

        Returns:
            Dict from gates to float32 `[N, E]`, the N tokens in the order of the flattened input.
            The experts are in the order of `expert_names`.
        """
        if not self.built:
            self.build(keras.tree.map_structure(lambda tensor: tuple(tensor.shape), inputs))
        inputs = keras.tree.map_structure(ops.convert_to_tensor, inputs)
        token_mask = self._token_mask(mask, keras.tree.flatten(inputs)[0])
        by_name = self._by_name(inputs)
        return {
            gate: by_expert(
                router(
                    as_tokens(self, by_name[gate], token_mask),
                    mask=token_mask,
                    **router.call_arguments(by_name[gate]),
                ),
                router,
            )[0]
            for gate, router in self.routers.items()
        }

    def routing_statistics(self) -> dict[str, Any]:
        """Returns a dict from each gate to its statistics since the last reset.

        They are what `statistics.summarize` returns.
        """
        return {gate: self.statistics[gate].summarize() for gate in self.routers}

    def flops_per_token(self, input_dim: Any) -> int | None:
        """Counts the multiplications and additions of the matmuls for one token, at most.

        Args:
            input_dim: Width of the input; or a dict with that of each group and gate.

        Returns:
            Their number, or `None` if that of a template is not known.
        """
        widths = self._by_name(input_dim)
        if any(bank.flops_per_row(widths[group]) is None for group, bank in self.experts.items()):
            return None
        routers = sum(r.flops_per_token(widths[gate]) for gate, r in self.routers.items())
        return routers + sum(
            round(count * self.experts[group].flops_per_row(widths[group]))
            for group, count in self._most_open(widths).items()
        )

    def total_params(self) -> int:
        """Counts the weights, without the statistics of the routing."""
        routers = sum(router.matrix_params() for router in self.routers.values())
        return routers + sum(bank.count_params() for bank in self.experts.values())

    def active_params(self) -> int:
        """Counts the weights that one token uses at most."""
        routers = sum(router.matrix_params() for router in self.routers.values())
        return routers + sum(
            self.experts[group].active_params(count) for group, count in self._most_open().items()
        )

    def _most_open(self, widths=None):
        """Returns the most experts of each group that one token uses, the costliest groups first.

        Gates may choose the same experts or not; this counts them as different.
        """
        left = sum(router.experts_per_token for router in self.routers.values())

        def cost(group):
            bank = self.experts[group]
            return bank.flops_per_row(widths[group]) if widths else bank.active_params(1)

        counts = {}
        for group in sorted(self.experts, key=cost, reverse=True):
            seeing = [gate for gate in self.routers if group in self._of(gate)]
            most = sum(self.routers[gate].experts_per_token for gate in seeing)
            counts[group] = min(self.experts[group].num_experts, most, left)
            left -= counts[group]
        return counts

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = self._by_name(input_shape)
        outputs = {}
        for gate in self.routers:
            group = self._of(gate)[0]
            width = self.experts[group].output_width(shapes[group][-1])
            outputs[gate] = (*shapes[gate][:-1], width)
        return outputs

    def compute_output_spec(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool | None = None,
        return_routing: bool = False,
    ) -> Any:
        shapes = keras.tree.map_structure(lambda tensor: tuple(tensor.shape), inputs)
        outputs = {
            gate: keras.KerasTensor(shape, dtype=self.compute_dtype)
            for gate, shape in self.compute_output_shape(shapes).items()
        }
        if not return_routing:
            return outputs
        routings = {}
        for gate, shape in self._by_name(shapes).items():
            if gate in self.routers:
                tokens = None if None in shape[:-1] else math.prod(shape[:-1])
                flat = keras.KerasTensor((tokens, shape[-1]), dtype=self.compute_dtype)
                routings[gate] = self.routers[gate].compute_output_spec(flat)
        return outputs, routings

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        masks = [mask for mask in keras.tree.flatten(previous_mask) if mask is not None]
        return dict.fromkeys(self.routers, masks[0]) if masks else None

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "experts": {group: serialize(bank) for group, bank in self.experts.items()},
            "routers": {gate: serialize(router) for gate, router in self.routers.items()},
            "visible": {gate: list(groups) for gate, groups in self.visible.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MultiGateMixtureOfExperts":
        config = dict(config)
        for key in ("experts", "routers"):
            config[key] = {
                name: keras.saving.deserialize_keras_object(part)
                for name, part in config[key].items()
            }
        return super().from_config(config)


def _opens_all(router):
    return router.always_open and router.slots_are_experts
