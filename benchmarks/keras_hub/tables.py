"""The results as tables in Markdown."""

from benchmarks.keras_hub.models import MODES


def table(result):
    """Seconds of KerasHub and sparsified, and how many times as fast; memory of a step."""
    heads = ["backend, family", *MODES, "peak memory of the step"]
    lines = _head(heads)
    for backend, families in result["figures"].items():
        for family, found in families.items():
            plain, sparse = (found["medians"][name] for name in ("keras_hub", "sparse"))
            cells = [
                f"{plain[mode]:.3f} -> {sparse[mode]:.3f} ({plain[mode] / sparse[mode]:.1f}x)"
                for mode in MODES
            ]
            before, after = (found["peak_bytes"][name]["step"] for name in ("keras_hub", "sparse"))
            memory = f"{before / 2**30:.2f} -> {after / 2**30:.2f} GiB"
            lines.append(f"| {backend}, {family} | " + " | ".join([*cells, memory]) + " |")
    return "\n".join(lines) + "\n"


def transformers_table(result):
    """Seconds of transformers and sparsified, with the same weights on PyTorch."""
    lines = _head(["family", *MODES])
    for family, found in result["figures"].get("torch", {}).items():
        if "transformers" in found["medians"]:
            theirs, sparse = (found["medians"][name] for name in ("transformers", "sparse"))
            cells = [
                f"{theirs[mode]:.3f} -> {sparse[mode]:.3f} ({theirs[mode] / sparse[mode]:.1f}x)"
                for mode in MODES
            ]
            lines.append(f"| {family} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _head(heads):
    return ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
