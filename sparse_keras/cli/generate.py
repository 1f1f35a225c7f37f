"""`sparse-keras generate`: continues texts by a trained language model."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sparse_keras._internal.checkpoint_names import CHECKPOINTS, DECODERS
from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.cli.arguments import add_run
from sparse_keras.cli.output import exact_output
from sparse_keras.cli.quiet import start_backend
from sparse_keras.cli.text import continues_texts
from sparse_keras.training.runs.folder import ENVIRONMENT, RunFolder

if TYPE_CHECKING:
    from sparse_keras.models import TextGenerator

_EXAMPLES = """examples:
  sparse-keras generate last --prompt 'ROMEO:' --temperature 0.8
  sparse-keras generate last --temperature 0.8 --top-p 0.95 --seed 1
  sparse-keras generate runs/tales/2026-01-31_12-00-00 --prompt 'Once upon' --stop '\\n'
  sparse-keras generate last --prompt-file prompts.txt --json > texts.jsonl
  sparse-keras generate smollm2_135m_instruct --prompt 'The capital of France is'
"""
# Of a program that Ctrl-C ended.
_INTERRUPTED = 130


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "generate",
        help="continue texts by a language model",
        description="Continue texts by a language model: one that was trained here, or a published "
        "one, which is a folder with config.json and safetensors files, a GGUF file, or a name. "
        "Prints what is new, as it is written. Without a prompt, the text of standard input is "
        "one; at a terminal, the model begins a new text. Several prompts are continued together, "
        "and printed at the end.",
        epilog=_EXAMPLES,
    )
    add_run(parser, file=True, checkpoint=True)
    prompts = parser.add_mutually_exclusive_group()
    prompts.add_argument(
        "--prompt",
        action="append",
        dest="prompts",
        metavar="TEXT",
        help="a text to continue; '' for a new one; may be repeated",
    )
    prompts.add_argument(
        "--prompt-file", metavar="FILE", help="a file with a prompt in each line, in UTF-8"
    )
    parser.add_argument(
        "--max-new-tokens",
        type=int,
        default=200,
        metavar="N",
        help="the most tokens to write (default: %(default)s)",
    )
    parser.add_argument(
        "--temperature",
        type=float,
        default=0.0,
        metavar="T",
        help="0 for the most likely token; higher values draw less likely ones, too, such as 0.8 "
        "(default: 0)",
    )
    parser.add_argument(
        "--top-k", type=int, metavar="K", help="draw only from the K most likely tokens"
    )
    parser.add_argument(
        "--top-p",
        type=float,
        metavar="P",
        help="draw only from the fewest tokens that have the probability P together",
    )
    parser.add_argument(
        "--stop",
        action="append",
        metavar="TEXT",
        help=r"end before this text, in which \n is the end of a line; may be repeated",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="draw the same texts each time")
    parser.add_argument(
        "--no-stream", action="store_true", help="print the text when it is complete"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print a line of JSON for each prompt: prompt and text",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    if args.json and args.no_stream:
        raise ValueError("--no-stream has no effect: --json prints texts when they are complete.")
    published = _is_checkpoint(args.run_folder)
    if not published:
        _check_run(args.run_folder)
    prompts = _prompts(args)
    start_backend()
    model = (_load_checkpoint if published else _load_run)(args.run_folder)
    options = {
        "max_new_tokens": args.max_new_tokens,
        "temperature": args.temperature,
        "top_k": args.top_k,
        "top_p": args.top_p,
        "stop": [stop.replace("\\n", "\n") for stop in args.stop or ()],
        "seed": args.seed,
    }
    try:
        _print_texts(args, model, prompts, options)
    except KeyboardInterrupt:
        if args.debug:
            raise
        print()
        return _INTERRUPTED
    return 0


def _print_texts(args: argparse.Namespace, model: TextGenerator, prompts: list[str], options: dict):
    if len(prompts) == 1 and not args.json:
        with exact_output():
            text = model.generate(prompts[0], **options, stream=not args.no_stream)
            _print_pieces([text] if args.no_stream else text)
        return
    texts = model.generate(prompts, **options)
    for number, (prompt, text) in enumerate(zip(prompts, texts, strict=True)):
        if args.json:
            print(json.dumps({"prompt": prompt, "text": text}))
        else:
            print(f"{'' if number == 0 else chr(10)}after {prompt!r}:\n{text}")


def _print_pieces(pieces: Iterable[str]) -> None:
    for piece in pieces:
        print(piece, end="", flush=True)
    print()


def _is_checkpoint(path: str) -> bool:
    """Whether a path is that of a published model, not of a run or of a `.keras` file."""
    if os.path.isdir(path):
        names = os.listdir(path)
        return "config.json" in names or any(name.endswith(".safetensors") for name in names)
    return path in CHECKPOINTS or path.lower().endswith((".gguf", ".safetensors"))


def _load_checkpoint(path: str) -> TextGenerator:
    from sparse_keras.models import TextEncoder, load_pretrained

    model = load_pretrained(path)
    if isinstance(model, TextEncoder):
        raise ValueError(f"{path!r} is an encoder, which generates no text.")
    if not hasattr(model, "encode_prompts"):
        raise ValueError(
            f"{path!r} has no tokenizer, without which a text cannot be read. Put its "
            "tokenizer.json there."
        )
    return model


def _load_run(path: str) -> TextGenerator:
    from sparse_keras.training.load_model import load_model

    model = load_model(path)
    if not continues_texts(model):
        raise ValueError(_not_a_language_model(path))
    return model


def _check_run(path: str) -> None:
    """Raises a ValueError, before Keras starts, if a run is not that of a language model."""
    if os.path.isfile(path):
        return  # A .keras file, which shows what it is when it is loaded.
    try:
        config = RunFolder(path).config_of_model()
    except ValueError as error:
        if os.path.isfile(os.path.join(path, ENVIRONMENT)):
            raise
        raise ValueError(
            f"{error} A published model is a folder with config.json and safetensors files, a "
            f".gguf file, or one of {listing(DECODERS)}.{did_you_mean(path, DECODERS)}"
        ) from error
    if not config.model.GENERATES:
        raise ValueError(_not_a_language_model(path))


def _not_a_language_model(path: str) -> str:
    return (
        f"The model of {path!r} is not a language model, which could continue texts. `sparse-"
        "keras predict` predicts the rows of a table, or texts, and `sparse-keras evaluate` "
        "computes metrics."
    )


def _prompts(args: argparse.Namespace) -> list[str]:
    """The prompts of the arguments, of a file, or of standard input; else an empty one."""
    if args.prompts is not None:
        return args.prompts
    if args.prompt_file is not None:
        with open(args.prompt_file, "rb") as file:
            lines = _decoded(file.read(), args.prompt_file).split("\n")
        # What ends the last line begins no other one.
        prompts = [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]
        if not prompts:
            raise ValueError(f"--prompt-file {args.prompt_file}: the file is empty.")
        return prompts
    if sys.stdin is None or sys.stdin.isatty():
        return [""]
    # A line that a program writes has an end, which is no part of what it says.
    text = _decoded(sys.stdin.buffer.read(), "standard input")
    return [text.removesuffix("\n").removesuffix("\r")]


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8: byte {error.start} is no part of it.") from None
