"""Generation compiled by JAX."""

import jax
import keras


def compiled(model, function, jit_compile):
    """Returns a function of arrays, compiled for each combination of their shapes.

    Args:
        model: The `CausalLM` that it calls, whose variables are arguments of what is compiled.
        function: A function from tensors to tensors, nested in tuples, lists and dicts.
        jit_compile: Unused: XLA is what JAX compiles by.
    """
    del jit_compile
    variables = model.variables

    @jax.jit
    def graph(values, arguments):
        with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
            return function(*arguments)

    def call(*arguments):
        return graph([variable.value for variable in variables], arguments)

    return call
