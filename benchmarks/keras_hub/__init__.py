"""KerasHub's mixture models: as they are, made sparse by `hub.sparsify`, and in transformers.

    python -m benchmarks.keras_hub --output results/hub/cpu.json

    models.py            the models of each family, and what is timed of them
    in_transformers.py   the same models, with the same weights, in transformers on PyTorch
    worker.py            one process: a family on a backend
    tables.py            the results as tables of docs/hub.md

For each family and backend, one process times the subjects in turns:

    gradient step   SGD on a batch of 8 x 128 tokens
    predict         the same batch
    prefill         a prompt of 127 tokens and the first token after it
    generate        112 tokens after 16, greedily

Peak memory is that of processes of their own, in which one gradient step is taken.
"""
