r"""The text that A1111's web UI keeps in its pictures under ``parameters``, written and read.

    infotext := prompt [ "\nNegative prompt: " negative ] "\n" params      no negative line when it is empty
    params   := pair { ", " pair }    pair := key ": " value | key         a bare key when key == value
    value    := plain | JSON string                                        quoted iff it contains "," or "\n" or ":"

Prompts may have several lines. Two prompts cannot survive this grammar, in A1111 neither: one with a line that begins
with "Negative prompt:", and white space at the ends of lines (or empty lines before the first word). Our lossless
record, beside this text in the same file, keeps those too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

# fmt: off
KEY_ORDER = (  # of A1111 v1.10; other keys follow, then these LAST_KEYS
    "Steps", "Sampler", "Schedule type", "CFG scale", "Image CFG scale", "Seed", "Face restoration", "Size",
    "Model hash", "Model", "FP8 weight", "Cache FP16 weight for LoRA", "VAE hash", "VAE", "Variation seed",
    "Variation seed strength", "Seed resize from", "Denoising strength", "Conditional mask weight", "Clip skip", "ENSD",
    "Token merging ratio", "Token merging ratio hr", "Init image hash", "RNG", "Tiling",
)
# fmt: on
LAST_KEYS = ("Version", "User")
DEFAULTS = {"Clip skip": "1", "RNG": "GPU", "Schedule type": "Automatic", "VAE Encoder": "Full", "VAE Decoder": "Full"}
EMPHASIS = {"no-norm": "No norm", "ignore": "Ignore", "none": "None", "comfy": "ComfyUI"}  # "Original" is not written

_NEGATIVE = "Negative prompt:"
_KEY = r"\w[\w \-/]{1,99}"  # A1111 has no upper bound; with one, no text takes more than linear time
_A1111_PAIR = re.compile(rf'({_KEY}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
# As above, and a value may be an unquoted list with commas, as stable-diffusion.cpp writes.
_PAIR = re.compile(rf'({_KEY}):\s*("(?:\\.|[^\\"])+"|\[[^\]":]*\]|\([^)":]*\)|[^,]*)\s*(?:,|$)')
_FLAG = re.compile(r"[^\W\d][\w \-/]+")
_SIZE = re.compile(r"(\d+)x(\d+)")


class Infotext(NamedTuple):
    """An infotext taken apart: ``params`` has the keys and values as written, unquoted, in their order."""

    prompt: str
    negative_prompt: str
    params: dict[str, str]

    def pasted(self) -> dict[str, str]:
        """The dictionary A1111 makes of it: ``WxH`` values split in ``-1`` and ``-2``, defaults filled in."""
        values = {"Prompt": self.prompt, "Negative prompt": self.negative_prompt}
        for key, value in self.params.items():
            if size := _SIZE.fullmatch(value):
                values[f"{key}-1"], values[f"{key}-2"] = size.groups()
            else:
                values[key] = value
        if name := values.get("Hypernet"):
            values["Prompt"] += f"<hypernet:{name}:{values.get('Hypernet strength', '1.0')}>"
        return values | {key: value for key, value in DEFAULTS.items() if key not in values}


def write_infotext(fields: Mapping[str, Any]) -> str:
    """``Prompt``, ``Negative prompt`` and any other A1111 keys as infotext, in A1111's order; ``None`` is left out.

    Raises ValueError for a key that could not be read back, and for fewer than three parameters: A1111 would take
    their line for a part of the prompt.
    """
    values = {key: value for key, value in fields.items() if value is not None}
    prompt, negative = str(values.pop("Prompt", "")), str(values.pop("Negative prompt", ""))
    known = (*KEY_ORDER, *LAST_KEYS)
    keys = [k for k in KEY_ORDER if k in values] + [k for k in values if k not in known]
    line = ", ".join(_pair(key, values[key]) for key in (*keys, *(k for k in LAST_KEYS if k in values)))
    if len(_A1111_PAIR.findall(line)) < 3:
        raise ValueError(f"{line!r} has fewer than three parameters; an infotext needs three to be told from a prompt")
    negative_line = f"\n{_NEGATIVE} {negative}" if negative else ""
    return f"{prompt}{negative_line}\n{line}".strip()


def parse_infotext(text: str) -> Infotext:
    """Take an infotext apart as A1111 does (see the module's grammar); never fails.

    The last line is parameters only if three pairs can be found in it. Beyond A1111: bare keys and unquoted lists
    are kept, and a key that comes twice keeps both values, joined by ", ".
    """
    *lines, last = text.strip().split("\n")
    params = _params(last) if len(_A1111_PAIR.findall(last)) >= 3 else {}
    prompts: tuple[list[str], list[str]] = ([], [])  # of the prompt, of the negative prompt
    negative = False
    for line in (raw.strip() for raw in (lines if params else [*lines, last])):
        if line.startswith(_NEGATIVE):
            negative, line = True, line[len(_NEGATIVE) :].strip()
        prompts[negative].append(line)
    prompt, negative_prompt = ("\n".join(part).lstrip("\n") for part in prompts)
    return Infotext(prompt, negative_prompt, params)


def infotext_from(
    settings: Mapping[str, Any],
    *,
    model: str,
    model_hash: str | None,
    version: str,
    extra: Mapping[str, Any],
) -> str:
    """The infotext of a run of our own.

    ``settings`` has the names of ``sukashi.settings.Settings``, with ``sampler`` and ``grid`` already in A1111's
    spelling ("DPM++ 2M", "Karras") and the seed of this one picture. ``extra`` takes A1111 keys; it wins over settings.
    """
    given = {key: value for key, value in settings.items() if value not in (None, "")}
    size = f"{given['width']}x{given['height']}" if "width" in given and "height" in given else None
    clip_skip, rng = given.get("clip_skip", 1), given.get("rng")
    fields = {
        "Prompt": given.get("prompt", ""),
        "Negative prompt": given.get("negative_prompt", ""),
        "Steps": given.get("steps"),
        "Sampler": given.get("sampler"),
        "Schedule type": given.get("grid"),
        "CFG scale": given.get("guidance"),
        "Seed": given.get("seed"),
        "Size": size,
        "Model hash": model_hash,
        "Model": model,
        "Clip skip": clip_skip if clip_skip > 1 else None,
        "RNG": str(rng).upper() if rng else None,
        "Emphasis": EMPHASIS.get(given.get("emphasis", "")),
        "CFG rescale": given.get("rescale") or None,
        "Eta": given.get("eta"),
        "Negative start": given.get("negative_start") or None,
        "Negative stop": given.get("negative_stop"),
        "Negative outside": given.get("negative_outside") if given.get("negative_outside") != "empty" else None,
        "Negative scale": given.get("negative_scale"),
        "Guide": given.get("guide"),
        "DeepCache": given.get("deepcache"),
        "T-GATE": given.get("tgate"),
        "Version": f"sukashi {version}",
    }
    return write_infotext(fields | dict(extra))


def _pair(key: str, value: Any) -> str:
    if not re.fullmatch(_KEY, key) or key != key.strip():
        raise ValueError(f"{key!r} cannot be an infotext key: two or more letters, digits, spaces, '-' or '/' are")
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 7, not 7.0
    text = str(value)
    return key if text == key and _FLAG.fullmatch(key) else f"{key}: {_quoted(text)}"


def _quoted(text: str) -> str:
    # Where we depart from A1111: text that its reader would take for quoted, or strip, is quoted too.
    plain = text == text.strip() and text[:1] != '"' and not any(c in text for c in ",\n:")
    return text if plain else json.dumps(text, ensure_ascii=False)


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        try:
            return str(json.loads(value))
        except ValueError:
            return value
    return value


def _params(line: str) -> dict[str, str]:
    pieces: list[tuple[str, list[str]]] = []  # key, and its value in pieces that had commas between them
    end = 0
    for match in [*_PAIR.finditer(line), None]:
        # Between two pairs stand bare keys and the rest of unquoted values (and, before a key, what A1111 skips too).
        between = line[end : match.start() if match else len(line)].split(",")
        for piece in between[:-1] if match else between:
            if _FLAG.fullmatch(piece.strip()):
                pieces.append((piece.strip(), [piece.strip()]))
            elif piece.strip() and pieces:
                pieces[-1][1].append(piece.rstrip())
        if match:
            pieces.append((match[1], [_unquoted(match[2].strip())]))
            end = match.end()
    values: dict[str, list[str]] = {}
    for key, parts in pieces:
        values.setdefault(key, []).append(",".join(parts))
    return {key: ", ".join(dict.fromkeys(found)) for key, found in values.items()}
