"""Every field of a config changes something: none is there for nothing.

For each field there is a pair of configs that differ in it alone. What is compared is told by
`observe`, from the cheapest to the dearest: the encoded data, the network, how it is compiled, and
what a short training leaves behind.
"""

import hashlib
import json
import warnings

import keras
import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import dump_svmlight_file

import sparse_keras
from sparse_keras.callbacks import RoutingWarning
from sparse_keras.data import LanguagePreprocessor, load_data
from sparse_keras.models import TextGenerator, causal_lm
from sparse_keras.schema.config import Config
from sparse_keras.schema.core.choice import sections_of
from sparse_keras.schema.core.section import Section
from sparse_keras.schema.sections.tabular.files import CSV
from sparse_keras.schema.sections.tabular.multi_task_models import MultiTaskModelSection
from sparse_keras.schema.sections.text.corpora import CorpusSection, TextFiles
from sparse_keras.schema.sections.text.labelled import OwnLabelledTexts
from sparse_keras.schema.sections.text.texts import LabelledTextSection
from sparse_keras.training.building import build_network, compile_model

DATA = {
    "adult": "{type: adult}",
    "breast_cancer": "{type: breast_cancer}",
    "generated_multilabel": "{type: generated_multilabel, num_samples: 200, num_features: 12}",
    "csv": "{type: csv, path: table.csv, target: y}",
    "parquet": "{type: parquet, path: table.parquet, target: y}",
    "excel": "{type: excel, path: table.xlsx, sheet: one, target: y}",
    "npz": "{type: npz, path: table.npz, target: y}",
    "svmlight": "{type: svmlight, path: table.svm}",
    "sparse_npz": "{type: sparse_npz, path: matrix.npz, targets: table.csv, target: y}",
    "text_files": "{type: text_files, path: texts.txt, documents: line, vocabulary_size: 270, "
    "context_length: 8}",
    "labelled_texts": "{type: labelled_texts, path: texts.tsv, max_length: 6}",
}
EXPERTS = {
    "dense": "{type: dense, num_experts: 4, units: 8}",
    "mlp": "{type: mlp, num_experts: 4, hidden_dim: 8}",
    "glu": "{type: glu, num_experts: 4, hidden_dim: 8}",
    "tied": "{type: tied, num_experts: 4, units: 8}",
    "low_rank": "{type: low_rank, num_experts: 4, rank: 3}",
}
TWO_BANKS = f"shared_experts: {EXPERTS['dense']}, task_experts: {EXPERTS['dense']}"
SPARSE = "{type: sparse_mlp, stem: 8, experts: %s, router: {type: %s}}"
MODEL = {
    "sparse_mlp": SPARSE % (EXPERTS["mlp"], "top_k"),
    "dense_mlp": "{type: dense_mlp, stem: 8, hidden_dim: 8}",
    "shared_bottom": "{type: shared_bottom, hidden_dims: [8]}",
    "omoe": f"{{type: omoe, stem: 8, experts: {EXPERTS['dense']}}}",
    "mmoe": f"{{type: mmoe, stem: 8, experts: {EXPERTS['dense']}}}",
    "cgc": f"{{type: cgc, stem: 8, {TWO_BANKS}}}",
    "ple": f"{{type: ple, stem: 8, {TWO_BANKS}}}",
    "dcn_mix": f"{{type: dcn_mix, experts: {EXPERTS['low_rank']}, hidden_dims: [8]}}",
    "causal_lm": "{type: causal_lm, depth: 2, width: 8, num_heads: 2, experts: {type: glu, "
    "num_experts: 4, hidden_dim: 8}}",
    "text_classifier": "{type: text_classifier, depth: 2, width: 8, num_heads: 2, experts: {type: "
    "glu, num_experts: 4, hidden_dim: 8}}",
}
ATTENTION = {
    "latent": "{type: latent, kv_lora_rank: 4, qk_nope_head_dim: 4, qk_rope_head_dim: 2, "
    "v_head_dim: 4}",
}
# Models of texts and their data go together.
TEXTS = (f"data={DATA['text_files']}", f"model={MODEL['causal_lm']}")
LABELLED = (f"data={DATA['labelled_texts']}", f"model={MODEL['text_classifier']}")
OTHER_TEXTS = (f"data={DATA['csv']}", "data={type: text_files, path: texts.txt}")
COLUMNS = (OTHER_TEXTS[0], "data={type: text_files, path: texts.csv, column: a}")
CHECKPOINT = (
    OTHER_TEXTS[0],
    "data={type: text_files, path: texts.txt, tokenizer: dense.keras, context_length: 8}",
    f"model={MODEL['dense_mlp']}",
    "model={type: causal_lm, checkpoint: dense.keras}",
)
UPCYCLED = (*CHECKPOINT, "model.upcycle={num_experts: 4}")
SOME_DENSE = ("model={depth: 4, every: 2, hidden_dim: 8}",)
SCALED = (
    "model.rotary={rope_type: llama3, factor: 2.0, original_max_position_embeddings: 4, "
    "low_freq_factor: 1.0, high_freq_factor: 4.0}",
)
TASK_WEIGHTS = {"fixed": "{type: fixed, weights: {y: 0.5}}"}
SEVERAL = (
    "data={type: parquet, path: table.parquet, target: {y: auto, amount: regression}}",
    f"model={MODEL['mmoe']}",
)
NUMBERS = "{type: csv, path: table.csv, target: amount}"
SPARSE_DATA = (f"data={DATA['svmlight']}",)
FEATURES = {
    "univariate": "{type: univariate, count: 4, max_rows: null}",
    "l1": "{type: l1, count: 4, max_rows: null}",
    "pagerank": "{type: pagerank, count: 4, max_rows: null}",
    "betweenness": "{type: betweenness, count: 8, relevance: 0.4, max_rows: null}",
    "k_means": "{type: k_means, count: 8, max_rows: null}",
    "dbscan": "{type: dbscan, max_rows: null}",
    "auto": "{type: auto, max_rows: null}",
}
# Columns of the kinds that have keys of their own, and how each is declared.
KINDS = {
    "numeric": ("money", "{type: numeric, unit: $}"),
    "date": ("day", "{type: date, format: '%d/%m/%Y'}"),
    "text": ("words", "{type: text}"),
    "categorical": ("plan", "{type: categorical}"),
}
SPLITS = {
    "column": "{type: column, column: grade, train: [0], validation: [1], test: [2, 3]}",
    "group": "{type: group, column: grade}",
    "time": "{type: time, column: z}",
}
GROUPS = (
    "model.experts.num_experts=12",
    "model.router={type: top_k, k: 4, num_groups: 4, groups_kept: 2}",
)
# A mixture that is warned of, as experts are full and the least unevenness counts as collapse.
WARNED = (
    "model.capacity_factor=0.5",
    "training.expert_load={collapse_above: 0.01, dropped_above: 0.2}",
)
# Large steps, by which the loss does not fall in each epoch.
LORA = ("training.lora={rank: 2, roles: [experts]}",)
STOPPING = (
    "training.early_stopping={patience: 1}",
    "training.epochs=12",
    "optimizer.learning_rate=0.1",
)


def write_tables(folder):
    rng = np.random.default_rng(0)
    import pandas as pd

    x = rng.normal(size=240)
    frame = pd.DataFrame(
        {
            "x": x,
            "z": rng.normal(size=240) + (x > 0),
            "grade": rng.integers(0, 4, 240),
            "amount": 3 * x + rng.normal(size=240),
            "y": np.where(x + 0.3 * rng.normal(size=240) > 0, 1, 0),
            "label": rng.integers(0, 2, 240),
        }
    )
    frame.to_csv(folder / "table.csv", index=False)
    frame[::-1].to_csv(folder / "other.csv", index=False)
    frame.to_csv(folder / "semicolon.csv", index=False, sep=";")
    frame.to_csv(folder / "decimal.csv", index=False, sep=";", decimal=",")
    names = frame.rename(columns={"label": "é"})
    names.to_csv(folder / "latin.csv", index=False, encoding="cp1252")
    days = pd.date_range("2024-01-01", periods=240).strftime("%d/%m/%Y")
    frame.assign(day=days).to_csv(folder / "dated.csv", index=False)
    for name, rows in (("table", frame), ("other", frame[::-1])):
        with pd.ExcelWriter(folder / f"{name}.xlsx", engine="openpyxl") as book:
            rows.to_excel(book, sheet_name="one", index=False)
            rows[::-1].to_excel(book, sheet_name="two", index=False)
    (folder / "other.xlsx").rename(folder / "other.excel")
    frame.to_parquet(folder / "table.parquet")
    frame[::-1].to_parquet(folder / "other.parquet")
    kinds = {
        "money": [f"${value:.2f}" for value in x],
        "day": [f"{n % 12 + 1:02d}/{n % 11 + 1:02d}/2024" for n in range(240)],
        "words": [f"the {n % 9} word sat here here and {n % 5}th sat" for n in range(240)],
        "plan": np.random.default_rng(1).choice(["Pro", "pro", "basic"], 240),
        "y": frame["y"],
    }
    pd.DataFrame(kinds).to_csv(folder / "kinds.csv", index=False)
    many_columns(rng).to_csv(folder / "many.csv", index=False)
    columns = {name: column.to_numpy() for name, column in frame.items()}
    np.savez(folder / "table.npz", **columns)
    matrix = scipy.sparse.csr_matrix(frame[["x", "z", "amount"]].clip(lower=0.0))
    dump_svmlight_file(matrix, frame["y"], str(folder / "table.svm"), zero_based=False)
    dump_svmlight_file(matrix, frame["label"], str(folder / "other.svmlight"), zero_based=False)
    scipy.sparse.save_npz(folder / "matrix.npz", matrix)
    with open(folder / "other.sparse_npz", "wb") as file:
        scipy.sparse.save_npz(file, matrix[::-1])
    np.savez(folder / "other.npz", **{name: values[::-1] for name, values in columns.items()})
    write_texts(folder)


def write_texts(folder):
    lines = [f"line {n} says {'to be ' * (n % 3)}é" for n in range(120)]
    text = "".join(line + "\n" * (1 + n % 2) for n, line in enumerate(lines))
    (folder / "texts.txt").write_text(text)
    (folder / "other.text_files").write_text(text[::-1])
    (folder / "latin.text").write_bytes(text.encode("latin-1"))
    rows = "".join(f"{line},{line[::-1]}\n" for line in lines)
    (folder / "texts.csv").write_text("a,b\n" + rows)
    (folder / "semicolons.csv").write_text("a;b\n" + rows.replace(",", ";"))
    tokenizer = sparse_keras.data.Tokenizer.train(lines, 260)
    tokenizer.save(folder / "tokenizer.json")
    options = {"depth": 2, "width": 8, "num_heads": 2, "hidden_dim": 8}
    dense = causal_lm(vocabulary_size=tokenizer.vocabulary_size, **options)
    TextGenerator(dense, LanguagePreprocessor(tokenizer, 8)).save(folder / "dense.keras")
    write_labelled_texts(folder)


def write_labelled_texts(folder):
    """Texts of which some are longer than others."""
    rng = np.random.default_rng(0)
    words = {"day": ["sun", "noon", "light"], "night": ["moon", "dark", "star"]}
    lines = [
        f"{' '.join(rng.choice(words[label], 1 + number % 5))}\t{label}"
        for number in range(40)
        for label in words
    ]
    for name, header, rows in (
        ("texts.tsv", "text\tlabel", lines),
        ("other.labelled_texts.tsv", "text\tlabel", lines[::-1]),
        ("renamed.tsv", "words\ttime", lines),
    ):
        (folder / name).write_text("\n".join([header, *rows]) + "\n")
    (folder / "semicolon.tsv").write_text(
        "\n".join(line.replace("\t", ";") for line in ["text;label", *lines]) + "\n"
    )
    accented = "\n".join(["text\tlabel", *(line.replace("noon", "café") for line in lines)])
    (folder / "latin.tsv").write_text(accented + "\n", encoding="cp1252")


def many_columns(rng):
    """Columns among which to choose: copies of a few sources with more or less noise, and noise."""
    import pandas as pd

    sources = rng.normal(size=(240, 4))
    y = sources.sum(axis=1) + 2 * rng.normal(size=240) > 1.5
    noise = rng.uniform(0.2, 2.0, 20) * rng.normal(size=(240, 20))
    x = np.repeat(sources, 5, axis=1) + noise
    x[:, ::4] = np.exp(2 * x[:, ::4])  # ranks and values differ
    x[:, 1::4] *= np.where(y, 3.0, 0.3)[:, None]  # and so do the variances of the classes
    x = np.concatenate([x, rng.normal(size=(240, 4))], axis=1)
    return pd.DataFrame(x, columns=[f"x{n}" for n in range(24)]).assign(y=y.astype(int))


# For each field: what to set before, and the value to change it to. A field that is not listed is
# changed as `another` says, with nothing set before.
CASES = {
    "Config.description": ((), "Another."),
    "Config.version": None,  # There is one version so far.
    "Config.data": ((), DATA["breast_cancer"]),
    "Config.model": ((), MODEL["dense_mlp"]),
    "Config.optimizer": ((), "{type: sgd}"),
    "Config.training": ((), "{batch_size: 16}"),
    "TextSection.tokenizer": (OTHER_TEXTS, "tokenizer.json"),
    "TextSection.vocabulary_size": ((), "265"),
    "CorpusSection.held_out": ((), "endings"),
    "TextSection.validation_fraction": ((), "0.3"),
    "OwnLabelledTexts.path": ((), "other.labelled_texts.tsv"),
    "OwnLabelledTexts.test_path": ((), "other.labelled_texts.tsv"),
    "OwnLabelledTexts.validation_path": ((), "other.labelled_texts.tsv"),
    "OwnLabelledTexts.text": (("data.path=renamed.tsv", "data.label=time"), "words"),
    "OwnLabelledTexts.label": (("data.path=renamed.tsv", "data.text=words"), "time"),
    "OwnLabelledTexts.separator": (("data.path=semicolon.tsv",), ";"),
    "OwnLabelledTexts.encoding": (("data.path=latin.tsv",), "cp1252"),
    "TextFiles.path": ((), "other.%s"),
    "TextFiles.documents": ((), "paragraph"),
    "TextFiles.column": (COLUMNS, "b"),
    "TextFiles.separator": ((*COLUMNS, "data.path=semicolons.csv"), ";"),
    "TextFiles.encoding": (("data.path=latin.text",), "latin-1"),
    "TextFiles.errors": (("data.path=latin.text",), "replace"),
    # They are downloaded: tests/data/text/test_corpora.py has packages of its own.
    "ChinesePoetry.collections": None,
    "Writings.megabytes_each": None,
    "TrainedSection.checkpoint": None,
    "TrainedSection.upcycle": (CHECKPOINT, "{num_experts: 4}"),
    "Upcycle.num_experts": (UPCYCLED, "5"),
    "Upcycle.layers": (UPCYCLED, "[-1]"),
    "Upcycle.split": (UPCYCLED, "2"),
    "Upcycle.router": (UPCYCLED, "{type: dense}"),
    "Upcycle.noise": (UPCYCLED, "0.1"),
    "Upcycle.reinitialize": (UPCYCLED, "0.5"),
    "TransformerSection.width": ((), "12"),
    "TransformerSection.num_heads": ((), "4"),
    "TransformerSection.hidden_dim": (SOME_DENSE, "9"),
    "TransformerSection.activation": (SOME_DENSE, "relu"),
    "TransformerSection.gated": (SOME_DENSE, "false"),
    "TransformerSection.experts": ((), EXPERTS["mlp"]),
    "TransformerSection.router": ((), "{type: relu}"),
    "TransformerSection.shared_expert": ((), "{hidden_dim: 4}"),
    "TransformerSection.dense_layers": (SOME_DENSE, "2"),
    "TransformerSection.every": (SOME_DENSE, "3"),
    "TransformerSection.capacity_factor": ((), "0.5"),
    "TransformerSection.eval_capacity_factor": ((), "0.5"),
    "TransformerSection.drop_order": (("model.capacity_factor=0.5",), "score"),
    "SharedGLU.hidden_dim": (("model.shared_expert={hidden_dim: 4}",), "5"),
    "SharedGLU.gated": (("model.shared_expert={hidden_dim: 4}",), "true"),
    "SharedGLU.activation": (("model.shared_expert={hidden_dim: 4}",), "tanh"),
    "TransformerSection.num_kv_heads": ((), "1"),
    "TransformerSection.head_dim": ((), "6"),
    "TransformerSection.attention": ((), ATTENTION["latent"]),
    "TransformerSection.rotary": ((), "null"),
    "GroupedQuery.qk_norm": ((), "head"),
    "GroupedQuery.sliding_window": ((), "3"),
    "GroupedQuery.clip_qkv": ((), "0.1"),
    "GroupedQuery.scale": ((), "0.3"),
    "Latent.qk_rope_head_dim": ((), "4"),
    "Latent.q_lora_rank": ((), "3"),
    "Latent.scale": ((), "0.3"),
    # Each type needs keys of its own: tests/schema/sections/test_text_models.py.
    "Rotary.rope_type": None,
    "Rotary.factor": (SCALED, "3.0"),
    "Rotary.original_max_position_embeddings": (SCALED, "5"),
    "Rotary.low_freq_factor": (SCALED, "1.5"),
    "Rotary.high_freq_factor": (SCALED, "5.0"),
    "Rotary.partial_rotary_factor": ((), "0.5"),
    "TableSection.bins": ((), "quantile"),
    "TableSection.max_bins": (("data.bins=quantile",), "3"),
    "TableSection.features": ((), "{type: univariate, count: 1}"),
    "Selection.max_rows": ((), "40"),
    "Counted.count": ((), "2"),
    "Univariate.test": ((), "anova"),
    "L1.num_penalties": ((), "2"),
    "Correlated.correlation": (("data.features.count=7",), "pearson"),
    "Graph.threshold": ((), "0.8"),
    "Graph.n_neighbors": ((), "1"),
    "PageRank.damping": ((), "0.0"),
    "Betweenness.relevance": ((), "0.0"),
    "Betweenness.num_pivots": ((), "1"),
    "KMeans.n_clusters": ((), "12"),
    "DBSCAN.eps": ((), "0.9"),
    "DBSCAN.min_samples": ((), "5"),
    "Auto.seconds": ((), "1.0e-6"),
    "Auto.methods": ((), "[k_means]"),
    "FileSection.path": ((), "other.%s"),
    "FileSection.test_path": ((), "other.%s"),
    "FileSection.validation_path": ((), "other.%s"),
    "FileSection.split": ((), "{type: group, column: grade}"),
    "ColumnSplit.column": ((), "label"),
    "ColumnSplit.train": ((), "[5]"),
    "ColumnSplit.validation": ((), "[]"),
    "ColumnSplit.test": ((), "[3]"),
    "GroupSplit.column": ((), "amount"),
    "GroupSplit.input": ((), "true"),
    "TimeSplit.column": ((), "grade"),
    "TimeSplit.format": (("data.path=dated.csv", "data.split.column=day"), "'%d/%m/%Y'"),
    "FileSection.target": ((), "label"),
    "FileSection.task": (("data.target=grade",), "regression"),
    "FileSection.weight": ((), "grade"),
    "SeveralTargets.tasks": ((), "[never_married]"),
    "FileSection.columns": ((), "{grade: categorical}"),
    "NumericKind.unit": ((), "EUR"),
    "NumericKind.thousands": ((), "' '"),
    "NumericKind.decimal": ((), "','"),
    "CategoricalKind.min_count": ((), "100"),
    "DateKind.format": ((), "'%m/%d/%Y'"),
    "TextKind.ngram_max": ((), "1"),
    "TextKind.char_ngram_max": ((), "4"),
    "TextKind.min_df": ((), "60"),
    "TextKind.max_features": ((), "5"),
    "FileSection.max_rows": ((), "100"),
    "FileSection.missing": ((), "{grade: [0]}"),
    # One of their values raises an error where the other one changes something:
    # tests/data/tabular/test_csv.py.
    "FileSection.missing_target": None,
    "FileSection.ignore_case": None,
    "FileSection.positive": ((), "0"),
    "SparseNPZ.ignore_case": None,
    "CSV.separator": (("data.path=semicolon.csv",), ";"),
    "CSV.encoding": (("data.path=latin.csv",), "cp1252"),
    "Excel.sheet": ((), "two"),
    "Excel.header_row": ((), "2"),
    "CSV.decimal": (("data.path=decimal.csv", "data.separator=;"), "','"),
    "Support2.days": ((), "30"),
    "DenseExperts.units": (("model.residual=false",), "9"),
    "GLUExperts.limit": ((), "0.01"),
    "GLUExperts.alpha": ((), "1.702"),
    "TiedExperts.units": (("model.residual=false",), "9"),
    "MultiTaskModelSection.stem": ((), "4"),
    "MultiTaskModelSection.tower": ((), "{dropout: 0.5}"),
    "Tower.hidden_dims": ((), "[5, 4]"),
    "SharedBottom.hidden_dims": ((), "[8, 4]"),
    "OneBank.experts": ((), EXPERTS["glu"]),
    "OMoE.router": ((), "{type: relu}"),
    "MMoE.router": ((), "{type: relu}"),
    "TwoBanks.shared_experts": ((), EXPERTS["glu"]),
    "TwoBanks.task_experts": ((), EXPERTS["glu"]),
    "CGC.router": ((), "{type: relu}"),
    "PLE.router": ((), "{type: relu}"),
    "SparseMLP.experts": ((), EXPERTS["glu"]),
    "SparseMLP.router": ((), "{type: relu}"),
    "DCNMix.experts": ((), EXPERTS["glu"]),
    "DCNMix.router": ((), "{type: relu}"),
    "DCNMix.hidden_dims": ((), "[4]"),
    "DCNMix.capacity_factor": (("model.router={type: top_k}",), "0.5"),
    "DCNMix.eval_capacity_factor": (("model.router={type: top_k}",), "0.5"),
    "SparseMLP.segments": ((), "2"),
    "SparseMLP.share_experts": (("model.depth=2",), "true"),
    "SparseMLP.shared_expert": ((), "{hidden_dim: 4}"),
    "SparseMLP.capacity_factor": ((), "0.5"),
    "SparseMLP.drop_order": (("model.capacity_factor=0.5",), "score"),
    "SparseMLP.eval_capacity_factor": ((), "0.5"),
    "BlockModelSection.stem": ((), "4"),
    "TabularModelSection.embedding_dim": (("data.columns={grade: categorical}",), "3"),
    "TabularModelSection.numeric_embedding": ((), "{type: periodic}"),
    "BlockModelSection.ensemble": ((), "3"),
    "TabularModelSection.feature_gate": ((), "{}"),
    "SparseInput.sparse_projection": (SPARSE_DATA, "{units: 9}"),
    "SparseProjection.units": ((*SPARSE_DATA, "model.sparse_projection={}"), "9"),
    "SparseProjection.activation": ((*SPARSE_DATA, "model.sparse_projection={}"), "tanh"),
    "SparseProjection.dropout": ((*SPARSE_DATA, "model.sparse_projection={}"), "0.5"),
    "SparseProjection.layer_norm": ((*SPARSE_DATA, "model.sparse_projection={}"), "true"),
    # The texts are downloaded: tests/data/sparse/test_sources.py has texts of its own.
    "TextSection.sublinear_tf": None,
    "TextSection.min_df": None,
    "TextSection.ngram_max": None,
    "TextSection.max_features": None,
    "MatrixSection.path": ((), "other.%s"),
    "MatrixSection.task": ((), "regression"),
    "SVMLight.zero_based": ((), "true"),
    "SVMLight.num_columns": ((), "20"),
    "SparseNPZ.targets": ((), "other.csv"),
    "SparseNPZ.target": ((), "label"),
    "FeatureGate.gate": (("model.feature_gate={}",), "threshold"),
    "FeatureGate.threshold": (("model.feature_gate={gate: threshold}",), "0.25"),
    "FeatureGate.penalty": (("model.feature_gate={}",), "0.5"),
    "SharedExpert.hidden_dim": (("model.shared_expert={hidden_dim: 4}",), "5"),
    "SharedExpert.gated": (("model.shared_expert={hidden_dim: 4}",), "true"),
    "SharedExpert.activation": (("model.shared_expert={hidden_dim: 4}",), "tanh"),
    "TopKRouter.preset": ((), "switch"),
    "TopKRouter.normalize": ((), "false"),
    "TopKRouter.bias_update_rate": (("model.router.select_on=score_plus_bias",), "0.5"),
    "TopKRouter.load_loss": (("model.router.noise=true",), "0.5"),
    "TopKRouter.num_groups": (GROUPS, "6"),
    "TopKRouter.groups_kept": (GROUPS, "3"),
    "TopKRouter.group_score": (GROUPS, "top2_sum"),
    "CosineRouter.projection_dim": ((), "3"),
    "ThresholdRouter.max_experts": ((), "2"),
    "ReLURouter.max_experts": ((), "3"),
    "ReLURouter.l1_initial": ((), "0.001"),
    "ReLURouter.l1_multiplier": ((), "2.0"),
    "DSelectKRouter.entropy_warmup_steps": ((), "8"),
    "HierarchicalRouter.k": (("model.experts.num_experts=12",), "3"),
    "HierarchicalRouter.num_groups": (("model.experts.num_experts=12",), "3"),
    "HierarchicalRouter.groups_kept": ((), "2"),
    "HierarchicalRouter.normalize": ((), "false"),
    "SinkhornRouter.temperature": ((), "3.0"),
    "SinkhornRouter.iterations": ((), "1"),
    "ExpertChoiceRouter.threshold_decay": ((), "0.9"),
    "Optimizer.schedule": ((), "{type: linear}"),
    "Optimizer.clipnorm": ((), "0.01"),
    "Optimizer.global_clipnorm": ((), "0.01"),
    "Optimizer.gradient_accumulation_steps": ((), "2"),
    "SGD.nesterov": (("optimizer.momentum=0.9",), "true"),
    "Cosine.warmup_epochs": (("optimizer.schedule={type: cosine}",), "1"),
    "Cosine.warmup_steps": (("optimizer.schedule={type: cosine}",), "2"),
    "Cosine.final_fraction": (("optimizer.schedule={type: cosine}",), "0.5"),
    "Linear.final_fraction": (("optimizer.schedule={type: linear}",), "0.5"),
    "Exponential.factor": (("optimizer.schedule={type: exponential}",), "0.5"),
    "TrainingConfig.steps": (("training={epochs: null, steps: 9}",), "10"),
    "TrainingConfig.steps_per_epoch": ((), "3"),
    "TrainingConfig.checkpoint_every": ((), "{steps: 3}"),
    "TrainingConfig.freeze": ((), "[experts]"),
    "TrainingConfig.train_only": ((), "[head]"),
    "TrainingConfig.lora": ((), "{rank: 2}"),
    "Lora.rank": (LORA, "3"),
    "Lora.alpha": (LORA, "5"),
    "Lora.roles": (LORA, "[router]"),
    "TrainingConfig.samples": (TEXTS, "{}"),
    "Samples.prompts": (TEXTS, "[line]"),
    "Samples.max_new_tokens": (TEXTS, "1"),  # 100 are more than fit into the context.
    "Samples.temperature": (TEXTS, "0"),
    "Samples.top_k": (TEXTS, "1"),
    "Samples.top_p": (TEXTS, "0.01"),
    "Samples.seed": (TEXTS, "1"),
    "CheckpointEvery.epochs": ((), "2"),
    "CheckpointEvery.steps": ((), "3"),
    "TrainingConfig.precision": ((), "mixed_bfloat16"),
    "TrainingConfig.jit_compile": ((), "true"),
    "TrainingConfig.loss": ((), "{type: focal}"),
    "TrainingConfig.task_weights": (SEVERAL, "{type: uncertainty}"),
    "FixedWeights.weights": (SEVERAL, "{y: 0.25}"),
    "GradNormWeights.alpha": (SEVERAL, "0.5"),
    "GradNormWeights.learning_rate": (SEVERAL, "0.1"),
    "TrainingConfig.class_weight": ((), "balanced"),
    "TrainingConfig.threshold": ((), "0.4"),
    "TrainingConfig.early_stopping": ((), "{patience: 1, monitor: load_violation}"),
    "EarlyStopping.monitor": (STOPPING, "load_violation"),
    "EarlyStopping.patience": (STOPPING, "3"),
    "EarlyStopping.restore_best": (STOPPING, "false"),
    "TrainingConfig.expert_load": ((), "{per_layer: true}"),
    "ExpertLoad.per_layer": (WARNED, "true"),
    "ExpertLoad.per_expert": (WARNED, "true"),
    "ExpertLoad.warn": (("model.capacity_factor=0.5", "training.expert_load={}"), "false"),
    "ExpertLoad.collapse_above": (WARNED, "null"),
    "ExpertLoad.dropped_above": (WARNED, "0.99"),
    "CrossEntropy.label_smoothing": (("training.loss={type: cross_entropy}",), "0.3"),
    "Focal.gamma": (("training.loss={type: focal}",), "0.5"),
    "Huber.delta": ((f"data={NUMBERS}", "training.loss={type: huber}"), "0.1"),
}


def another(field, value):
    """Another value for a field, as YAML: by its kind, if `CASES` does not say."""
    choices = getattr(field.annotation, "__args__", ())
    if isinstance(value, bool):
        return "false" if value else "true"
    if isinstance(value, str):
        return next(choice for choice in choices if choice != value)
    if isinstance(value, int):
        return str(value + 1)
    if isinstance(value, float):
        return str(value / 2 + 0.15)
    raise AssertionError(f"{field} needs an entry in CASES")


def fields(section=Config, path=(), before=()):
    """`(section class, key, path in a config, overrides that bring it in)` of every field."""
    for key, field in section.model_fields.items():
        if key != "type":
            yield section, key, (*path, key), before
        if key in ("features", "split") and section is not CSV:
            continue  # They are the same for all data sets.
        # What all models of tables may hold is looked at inside one of them.
        alone = issubclass(section, MultiTaskModelSection) and key != "tower"
        for inner in () if alone else sections_of(field):
            if key == "columns":
                name = inner.model_fields["type"].default
                column, _ = KINDS.get(name, ("", ""))
                declared = ", ".join(f"{one}: {kind}" for one, kind in KINDS.values())
                chosen = ("data.path=kinds.csv", f"data.columns={{{declared}}}")
                yield from fields(inner, (*path, key, column), (*before, *chosen))
            elif len(sections_of(field)) > 1:
                name = inner.model_fields["type"].default
                known = {"data": DATA, "experts": EXPERTS, "model": MODEL, "features": FEATURES}
                known |= {"task_weights": TASK_WEIGHTS, "split": SPLITS, "attention": ATTENTION}
                known = known.get(key, {})
                chosen = known.get(name, f"{{type: {name}}}")
                chosen = (f"{'.'.join((*path, key))}={chosen}",)
                if name in ("text_files", "causal_lm"):
                    chosen = TEXTS
                if name in ("labelled_texts", "text_classifier"):
                    chosen = LABELLED
                if key == "features":
                    chosen = ("data.path=many.csv", *chosen)
                yield from fields(inner, (*path, key), (*before, *chosen))
            else:
                yield from fields(inner, (*path, key), before)


def owner(section, key):
    """The class that defines a field, under the name by which `CASES` knows it."""
    classes = [c for c in section.__mro__ if issubclass(c, Section) and c is not Section]
    definer = next(c for c in reversed(classes) if key in c.model_fields)
    return definer.__name__.lstrip("_")


QUICK = {"CSV", "SparseMLP", "MLPExperts", "TopKRouter", "Adam"}


def collected():
    """Each key of each section once, under the first parent that has it: a section is read in the
    same way wherever it stands, and that its parents hand it on is seen by their own keys.

    In the default run: the keys of the sections of the base config that show without a training.
    """
    seen = set()
    for section, key, path, before in fields():
        name = f"{owner(section, key)}.{key}"
        # What all tables have is seen on a file, on shipped data and on a matrix.
        shared = name.startswith(("TableSection", "HeldOutRows", "TestSplit"))
        if shared and section.__name__ not in ("CSV", "BreastCancer", "SVMLight"):
            continue
        # The others download their texts.
        if issubclass(section, CorpusSection) and key in CorpusSection.model_fields:
            if section is not TextFiles:
                continue
        if issubclass(section, LabelledTextSection) and section is not OwnLabelledTexts:
            continue
        if (section, key) in seen:
            continue
        seen.add((section, key))
        case = f"{'.'.join(path)}-{section.__name__}"
        marks = () if section.__name__ in QUICK else pytest.mark.slow
        yield pytest.param(name, section, key, path, before, id=case, marks=marks)


pytestmark = pytest.mark.usefixtures("eager_functions")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("liveness")
    with pytest.MonkeyPatch.context() as patch:  # Tokens of corpora are cached there.
        patch.setenv("SPARSE_KERAS_HOME", str(folder / "home"))
        yield _filled(folder)


def _filled(folder):
    write_tables(folder)
    base = (
        f"version: 1\ndescription: Base.\ndata: {DATA['csv']}\nmodel: {MODEL['sparse_mlp']}\n"
        "optimizer: {type: adam}\ntraining: {epochs: 2, batch_size: 32}\n"
    )
    (folder / "base.yaml").write_text(base)
    return folder


def load(folder, overrides):
    """Later overrides win, and replace what they change the type of."""
    config = folder / "base.yaml"
    for number, override in enumerate(overrides):
        # What was given, not the defaults: giving a key that another makes idle is an error.
        values = sparse_keras.load_config(config, [override]).model_dump(exclude_unset=True)
        config = folder / f"step_{number}.yaml"
        config.write_text(json.dumps(values))
    return sparse_keras.load_config(config)


class _Checkpoints(keras.callbacks.Callback):
    """The names of the checkpoints at the end of a training, which `train` then removes."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_train_end(self, logs=None):
        self.names = sorted(path.name for path in self.folder.rglob("checkpoints/*.npz"))


def observe(config, folder):
    """Yields what can be seen of a config, from the cheapest to the dearest, as text."""
    yield config.description
    try:
        data = load_data(config)
    except ValueError as error:  # A file that is read with the wrong separator, for example.
        yield str(error)
        return
    yield data.digest()
    # Keras numbers the names of layers: with other numbers, equal models would look different.
    # To free memory takes long, the longer the more tests have run.
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(config.training.seed)
    model = build_network(config, data)
    yield json.dumps(model.get_config(), default=str, sort_keys=True)
    if config.optimizer is None:
        yield "not compiled"
        return
    keras.utils.clear_session(free_memory=False)  # Optimizers are numbered, too.
    compile_model(model, config, data)
    yield json.dumps(
        [model.get_compile_config(), str(model.jit_compile)], default=str, sort_keys=True
    )
    keras.utils.clear_session(free_memory=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        checkpoints = _Checkpoints(folder / "runs")
        run = sparse_keras.train(
            config, data, output=folder / "runs", callbacks=[checkpoints], verbose=0
        )
    told = [one.message for one in caught if issubclass(one.category, RoutingWarning)]
    yield json.dumps(sorted(map(str, told)))
    yield json.dumps(checkpoints.names)
    yield json.dumps(run.history, default=str)
    samples = run.path / "samples.jsonl"
    yield samples.read_text("utf-8") if samples.exists() else "no samples"
    yield json.dumps([hashlib.sha256(w.tobytes()).hexdigest() for w in run.model.get_weights()])


class Observations:
    """What `observe` yields for a config, computed once and only as far as it is asked for."""

    def __init__(self, config, folder):
        self.seen, self.rest = [], observe(config, folder)

    def __iter__(self):
        yield from self.seen
        for observation in self.rest:
            self.seen.append(observation)
            yield observation


@pytest.fixture(scope="module")
def observations(folder):
    """The observations of the configs that many cases change one key of."""
    of_config = {}

    def look_up(config):
        key = config.model_dump_json()
        if key not in of_config:
            of_config[key] = Observations(config, folder)
        return of_config[key]

    return look_up


@pytest.mark.slow
def test_equal_configs_look_equal(folder, monkeypatch):
    """Else the test below would show nothing."""
    monkeypatch.chdir(folder)
    config = load(folder, ["training.early_stopping={patience: 1}"])
    for one, other in zip(observe(config, folder), observe(config, folder), strict=True):
        assert one == other


@pytest.mark.parametrize("name, section, key, path, before", list(collected()))
def test_it_changes_something(name, section, key, path, before, folder, observations, monkeypatch):
    monkeypatch.chdir(folder)
    case = CASES.get(name, ((), None))
    if case is None:
        pytest.skip("one value is all there is")
    more, value = case
    config = load(folder, [*before, *more])
    if value is None:
        current = config
        for part in path:
            current = current[part] if isinstance(current, dict) else getattr(current, part)
        value = another(section.model_fields[key], current)
    elif "%s" in value:
        value %= config.data.type
    changed = load(folder, [*before, *more, f"{'.'.join(path)}={value}"])
    pairs = zip(observations(config), observe(changed, folder), strict=False)
    assert any(one != other for one, other in pairs), f"{'.'.join(path)} is inert"
