"""The options of ``sukashi serve``."""

from __future__ import annotations

import argparse

from sukashi.cli.options import DTYPES, whole


def serving(parser: argparse.ArgumentParser) -> None:
    """Where to listen, who may come in, what may be asked for."""
    place = parser.add_argument_group("where")
    place.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="listen there (127.0.0.1: this machine)")
    place.add_argument("--listen", action="store_true", help="listen at every address: --host 0.0.0.0")
    place.add_argument("--port", type=whole, default=7860, metavar="N", help="port (7860); 0 takes a free one")
    place.add_argument("--data", metavar="FOLDER", help="jobs and pictures (~/.local/share/sukashi/serve)")
    model = parser.add_argument_group("models")
    model.add_argument(
        "-m", "--model", default="kirie", metavar="NAME", help="the default one; clients may name others"
    )
    model.add_argument("--device", metavar="NAME", help="cpu, cuda, mps (default: the best there is)")
    model.add_argument("--dtype", choices=DTYPES, metavar="TYPE", help="float32, float16, bfloat16")
    model.add_argument("--batch", type=whole, default=1, metavar="N", help="rows drawn together (1): see docs/serve.md")
    model.add_argument("--cache", type=float, default=16.0, metavar="GIB", help="GiB of models kept loaded (16)")
    model.add_argument("-t", "--threads", type=whole, metavar="N", help="threads for the CPU")
    who = parser.add_argument_group("who may come in")
    who.add_argument(
        "--auth",
        "--api-auth",
        action="append",
        default=[],
        metavar="USER:PASSWORD",
        help="HTTP Basic; may be given several times (or SUKASHI_AUTH)",
    )
    who.add_argument(
        "--api-key",
        action="append",
        default=[],
        metavar="KEY",
        help="bearer key; may be given several times (or SUKASHI_API_KEY)",
    )
    who.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="another name this server is called by"
    )
    who.add_argument(
        "--allow-origin", action="append", default=[], metavar="URL", help="a site whose pages may call it"
    )
    most = parser.add_argument_group("what may be asked for")
    most.add_argument("--max-pixels", type=whole, metavar="N", help="of one picture (4194304)")
    most.add_argument("--max-steps", type=whole, metavar="N", help="(150)")
    most.add_argument("--max-count", type=whole, metavar="N", help="pictures of one request (16)")
    most.add_argument("--max-queue", type=whole, metavar="N", help="pictures that wait (256)")
    most.add_argument("--max-body", type=whole, metavar="MIB", help="of one request (64)")
    most.add_argument("--job-timeout", type=float, metavar="SECONDS", help="for drawing one picture (600)")
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="N|SIZE",
        help="keep the newest N jobs, or SIZE of them (20GB); may be given twice. Without it nothing is ever deleted",
    )
    parser.add_argument("--log-prompts", action="store_true", help="write prompts into the log; without, they are not")
