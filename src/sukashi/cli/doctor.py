"""``sukashi doctor``: what is installed, what is found, and whether the devices compute correctly."""

from __future__ import annotations

import argparse
import json
import os
import platform
from importlib import metadata
from typing import Any

from sukashi import __version__
from sukashi.cli.exits import FAILED, OK
from sukashi.cli.models import bytes_as_text

PACKAGES = (
    "torch",
    "numpy",
    "pillow",
    "safetensors",
    "tokenizers",
    "huggingface_hub",
    "lark",
    "instant-clip-tokenizer",
)


def run(args: argparse.Namespace) -> int:
    """Check every device, or the one asked for; exit 1 when an operation is wrong on one of them."""
    from sukashi import doctor
    from sukashi.cli.model import device, devices

    there = [str(device(args.device))] if args.device else devices()
    facts = {"sukashi": __version__, "python": platform.python_version(), "system": platform.platform(), **found()}
    if not args.json:
        print("\n".join(f"{key:<12} {value}" for key, value in lines(facts)), flush=True)
    findings = []
    for name in there:
        memory = free_memory(name)
        facts.setdefault("devices", {})[name] = {"free": memory, "name": device_name(name)}
        facts["devices"][name]["fast"] = quick = techniques(name)
        if not args.json:
            free = f", {bytes_as_text(memory)} free" if memory else ""
            print(f"\n{name}: {device_name(name)}{free}", flush=True)
            print("".join(f"  fast, {dtype}: {', '.join(said)}\n" for dtype, said in quick.items()), end="", flush=True)
        facts["devices"][name] |= (found_there := kernels(name))
        if not args.json:
            print("".join(f"  {what}: {said}\n" for what, said in spoken(found_there)), end="", flush=True)
        checks = list(doctor.examine(name))
        findings += checks
        if not args.json:
            print(
                "\n".join(as_text(check, args.verbose) for check in checks if args.verbose or not check.ok) or "",
                end="",
            )
            wrong = [check for check in checks if not check.ok]
            seconds = sum(check.seconds for check in checks)
            print(f"  {len(checks) - len(wrong)} of {len(checks)} checks are right, {seconds:.1f} s", flush=True)
    if args.json:
        print(
            json.dumps({**facts, "checks": [as_json(check) for check in findings], "ok": all(c.ok for c in findings)})
        )
    elif not all(check.ok for check in findings):
        broken = dict.fromkeys(
            f"{check.check} on {check.device} in {check.dtype}" for check in findings if not check.ok
        )
        print(f"\nwrong: {', '.join(broken)}; pictures made with these cannot be trusted")
    return OK if all(check.ok for check in findings) else FAILED


def found() -> dict[str, Any]:
    """Packages with their versions, the shipped model, and where a vocabulary for single files would come from."""
    from sukashi import kirie
    from sukashi.shelf import cache_folder
    from sukashi.weights.vocabulary import CLIP_REPO, has_vocabulary

    versions = {name: version(name) for name in PACKAGES}
    repo = cache_folder(os.environ) / f"models--{CLIP_REPO.replace('/', '--')}"
    cached = any(has_vocabulary(snapshot) for snapshot in repo.glob("snapshots/*"))
    ways = [CLIP_REPO + " in the cache"] * cached
    ways += ["instant-clip-tokenizer"] * (versions["instant-clip-tokenizer"] is not None)
    return {
        "packages": versions,
        "threads": threads(),
        "kirie": str(kirie.path()) if kirie.path().is_dir() else None,
        "vocabulary": ways,
    }


def lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The facts as text for a person."""
    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items() if number)
    words = ", ".join(facts["vocabulary"])
    none = "none for single files: pip install sukashi[clip], or load openai/clip-vit-large-patch14 once"
    return [
        ("sukashi", facts["sukashi"]),
        ("python", f"{facts['python']} on {facts['system']}"),
        ("packages", packages),
        ("threads", str(facts["threads"])),
        ("kirie", facts["kirie"] or "not in this installation"),
        ("vocabulary", words or none),
    ]


def techniques(name: str) -> dict[str, list[str]]:
    """What ``sukashi.fast`` does on a device, by type of number, and what it cannot do there."""
    import torch

    from sukashi.fast.choice import choose

    found = {}
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        tools = choose(torch.device(name), dtype)
        found[str(dtype)[6:]] = [*tools.names, *tools.notes]
    return found


def kernels(name: str) -> dict[str, Any]:
    """Of a GPU: which kernel attention takes for usual shapes, by measurement, and whether graphs can be recorded."""
    import torch

    from sukashi.fast import backends, graphs, ops

    if not name.startswith("cuda"):
        return {}
    halves = (torch.float16, torch.bfloat16)
    choices = {str(dtype)[6:]: backends.usual(torch.device(name), dtype) for dtype in halves}
    float8 = ops.problem("float8 product", torch.bfloat16) or "works"
    return {"attention": choices, "graphs": graphs.problem(name) or "work", "float8": float8}


def spoken(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The same as text for a person."""
    choices = found.get("attention", {}).items()
    lines = [(f"attention, {dtype}, {what}", said) for dtype, each in choices for what, said in each.items()]
    words = (("graphs", "CUDA graphs"), ("float8", "float8"))
    return [*lines, *[(word, found[key]) for key, word in words if key in found]]


def version(package: str) -> str | None:
    """The version of a package, None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def threads() -> int:
    """CPU threads that torch uses."""
    import torch

    return torch.get_num_threads()


def device_name(name: str) -> str:
    """What a device calls itself."""
    import torch

    if name.startswith("cuda"):
        return torch.cuda.get_device_name(name)
    return platform.processor() or platform.machine()


def free_memory(name: str) -> int | None:
    """Bytes that are free on a device, None where the system does not say."""
    import torch

    if name.startswith("cuda"):
        return torch.cuda.mem_get_info(name)[0]
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def as_text(check: Any, verbose: bool) -> str:
    """One check in a line."""
    word = "right" if check.ok else "WRONG"
    return (
        f"  {word}  {check.check:<22} {check.dtype:<9} error {check.error:.1e} (allowed {check.limit:.0e})"
        + (f": {check.note}" if check.note else "")
        + "\n" * (not verbose)
    )


def as_json(check: Any) -> dict[str, Any]:
    """One check as JSON values; an error that is no number is null."""
    error = check.error if check.error == check.error else None
    return {
        "check": check.check,
        "device": check.device,
        "dtype": check.dtype,
        "ok": check.ok,
        "error": error,
        "limit": check.limit,
        "seconds": round(check.seconds, 4),
        "note": check.note,
    }
