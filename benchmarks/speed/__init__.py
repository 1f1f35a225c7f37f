"""How fast the layer is, next to a dense layer, to all experts, and to other libraries' blocks.

    python -m benchmarks.speed --list
    python -m benchmarks.speed                    # all of it; writes results/speed/cpu.json
    python -m benchmarks.speed --cases "e64*" --subjects "*/torch" --modes inference gradient
    python -m benchmarks.speed --docs             # only writes the tables into docs/performance.md

What is compared is a subject (`subjects.py`), on a case (`cases.py`), in a mode (`modes.py`).

Every subject runs in a process of its own (`worker.py`), because Keras has one backend a process.
The processes of a case live side by side and take turns, one repetition each, so that a busy
machine disturbs all alike (`turns.py`). All subjects of a case get the same inputs and the same
router matrix (`data.py`), so that all route alike. The first step, which
traces and compiles, is timed apart. Peak memory is measured in processes that do nothing else.

Axis letters: N tokens, D their width, E experts, K experts per token, H an expert's hidden width.
"""
