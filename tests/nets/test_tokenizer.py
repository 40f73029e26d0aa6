from __future__ import annotations

import json
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from sukashi.nets.tokenizer import Tokenizer

FOLDERS = ["sd1_hf", "sd2_hf", "sdxl_hf_tokenizer", "sdxl_hf_tokenizer_2", "tiny_random_clip"]
SHIP = "painting depicting the sea, sunrise, ship, artstation, 4k, concept art"
SHIP_IDS = [49406, 3086, 24970, 518, 2102, 267, 5610, 267, 1158, 267, 1486, 2631, 267, 275, 330, 267, 6353, 794, 49407]


@pytest.fixture(scope="module")
def folder(shared_data: Path, tmp_path_factory: pytest.TempPathFactory):
    """A whole tokenizer folder by name: the vocabulary of SD 1.x stands in for those that come without one."""

    def make(name: str) -> Path:
        source, target = shared_data / "1_clip_tokenizer", tmp_path_factory.mktemp(name)
        for path in [*(source / "sd1_hf").iterdir(), *(source / name).iterdir()]:
            shutil.copy(path, target / path.name)
        return target

    return make


@pytest.fixture(scope="module")
def clip(shared_data: Path) -> Tokenizer:
    return Tokenizer.from_folder(shared_data / "1_clip_tokenizer" / "sd1_hf")


def random_texts(n: int) -> list[str]:
    """Text from every corner of Unicode that a prompt may hold, and from the corners of the pattern."""
    rng = random.Random(7)
    ranges = [(32, 127), (0, 32), (160, 1024), (0x300, 0x370), (0x3040, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4)]
    ranges += [(0x2000, 0x2070), (0x1F300, 0x1FAFF), (0x1E00, 0x2000), (0xFF00, 0xFFF0), (0x10000, 0x1FFFF)]
    whole = [
        "<|startoftext|>",
        "<|ENDOFTEXT|>",
        "<|endoftext|>",
        "'s",
        "'RE",
        "!",
        "!!",
        " ",
        "\n",
        "cat",
        "</w>",
        "12",
    ]
    texts = []
    for _ in range(n):
        kinds = rng.sample(ranges, 2)
        parts = [chr(rng.randrange(*rng.choice(kinds))) for _ in range(rng.randrange(1, 40))]
        parts += rng.choices(whole, k=rng.randrange(4))
        rng.shuffle(parts)
        texts.append("".join(parts))
    return texts


def test_golden_prompts(shared_data: Path, clip: Tokenizer) -> None:
    rows = json.loads((shared_data / "1_clip_tokenizer" / "tokenizer_golden.json").read_text())["rows"]
    assert len(rows) == 86
    for row in rows:
        assert [clip.bos, *clip.encode(row["prompt"]), clip.eos] == row["hf_ids"], row["prompt"]
        assert clip(row["prompt"]).tolist() == [row["hf_77"]], row["prompt"]


@pytest.mark.parametrize("name", FOLDERS)
def test_same_ids_as_transformers(name: str, folder) -> None:
    transformers = pytest.importorskip("transformers")
    path = folder(name)
    ours, theirs = Tokenizer.from_folder(path), transformers.CLIPTokenizer.from_pretrained(path)
    texts = random_texts(400)
    expected = theirs(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    assert torch.equal(ours(texts), expected)
    assert (ours.bos, ours.eos, ours.pad) == (theirs.bos_token_id, theirs.eos_token_id, theirs.pad_token_id)
    assert ours.vocab_size == len(theirs) and ours.length == theirs.model_max_length
    ids = random.Random(1).choices(range(ours.vocab_size), k=300)
    assert ours.tokens(ids) == theirs.convert_ids_to_tokens(ids)
    assert ours.ids(ours.tokens(ids)) == ids
    for text in texts[:100]:
        assert ours.decode(ours.encode(text)) == theirs.decode(theirs(text).input_ids[1:-1])


def test_folder_with_tokenizer_json_only(shared_data: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    models = shared_data / "6_references" / "tiny_pipelines" / "models"
    texts = random_texts(200)
    for path in sorted(models.glob("*/tokenizer*")):
        ours, theirs = Tokenizer.from_folder(path), transformers.CLIPTokenizer.from_pretrained(path)
        expected = theirs(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
        assert torch.equal(ours(texts), expected), path


def test_folder_with_added_tokens(folder, tmp_path: Path) -> None:
    """A fine-tuned model's folder: its own tokens, in both spellings of the files."""
    transformers = pytest.importorskip("transformers")
    old = folder("sd1_hf")
    (old / "added_tokens.json").write_text(json.dumps({"<cat-toy>": 49408, "<s1>": 49409}))
    theirs = transformers.CLIPTokenizer.from_pretrained(old)
    theirs.save_pretrained(tmp_path / "new")
    for path in (old, tmp_path / "new"):
        ours = Tokenizer.from_folder(path)
        assert ours.vocab_size == 49410 and ours.tokens([49408, 49409]) == ["<cat-toy>", "<s1>"]
        for text in ["a <cat-toy> on <S1>", "<cat-toy><s1>!", "xx<cat-toy>xx"]:
            assert ours.encode(text) == theirs(text).input_ids[1:-1]
        other = ours.with_pad("!")
        assert other.encode("a <cat-toy>!") == [*ours.encode("a"), 49408, 0] and other.pad == 0
        assert other.with_pad("<|endoftext|>").encode("<s1>!") == ours.encode("<s1>!")
    with pytest.raises(ValueError, match="padding token '<pad>' is not in the vocabulary"):
        ours.with_pad("<pad>")
    (old / "added_tokens.json").write_text(json.dumps({"<cat-toy>": 49500}))
    with pytest.raises(ValueError, match=r"'<cat-toy>' is to have the id 49500"):
        Tokenizer.from_folder(old)


def test_every_source_gives_the_same_vocabulary(shared_data: Path, clip: Tokenizer) -> None:
    data = shared_data / "1_clip_tokenizer"
    original = Tokenizer.from_bpe_file(data / "openai_clip" / "bpe_simple_vocab_16e6.txt.gz", pad_token="!")
    files = Tokenizer.from_files(data / "sd1_hf" / "vocab.json", data / "sd1_hf" / "merges.txt")
    assert original.vocabulary == files.vocabulary == clip.vocabulary
    assert (original.pad, files.pad) == (0, 49407)
    assert original.encode("wow!!") == clip.with_pad("!").encode("wow!!") == [*clip.encode("wow"), 0, 0]


def test_the_optional_package_holds_the_same_vocabulary(clip: Tokenizer) -> None:
    pytest.importorskip("instant_clip_tokenizer")
    instant = Tokenizer.from_instant_clip(pad_token="!")
    assert instant.vocabulary == clip.vocabulary  # the 278 entries that are parts of characters too
    texts = random_texts(200)
    assert torch.equal(instant(texts), clip.with_pad("!")(texts))


def sources(clip: Tokenizer) -> list[Tokenizer]:
    pytest.importorskip("instant_clip_tokenizer")
    return [clip, Tokenizer.from_instant_clip()]


def test_ids_of_the_listings(clip: Tokenizer) -> None:
    for tokenizer in sources(clip):
        assert tokenizer.tokens([0, 1, 2]) == ["!", '"', "#"]
        assert tokenizer(SHIP).tolist() == [SHIP_IDS + [49407] * (77 - len(SHIP_IDS))]
        assert tokenizer.with_pad("!")(SHIP).tolist() == [SHIP_IDS + [0] * (77 - len(SHIP_IDS))]
        assert tokenizer.add_word("EasyNegativeV2", 16) == list(range(49408, 49424))
        assert tokenizer.vocab_size == 49424
        names = ["EasyNegativeV2", *(f"EasyNegativeV2_{i}" for i in range(1, 16))]
        assert tokenizer.tokens(range(49408, 49424)) == names and tokenizer.ids(names) == list(range(49408, 49424))
        comma, extra = tokenizer.ids([",</w>", "extra</w>"])
        assert tokenizer.encode("EasyNegativeV2, extra") == [*range(49408, 49424), comma, extra]
        tokenizer.remove_tokens(["EasyNegativeV2"])
        assert tokenizer.vocab_size == 49408


def test_added_words_are_whole_words(clip: Tokenizer) -> None:
    tokenizer = clip.with_pad("<|endoftext|>")
    one, two = tokenizer.add_tokens(["kat1ya", "kat1ya2"])
    (tag,) = tokenizer.add_word("<neko-tag>")
    kanji = tokenizer.add_word("透かし絵", 2)
    assert tokenizer.encode("kat1ya KAT1YA2 Kat1ya") == [one, two, one]
    for inside in ["kat1ya3", "xkat1ya", "kat1ya_1", "ékat1ya"]:
        assert tokenizer.encode(inside) == clip.encode(inside)
    assert tokenizer.encode("xx<neko-tag>xx") == [*clip.encode("xx"), tag, *clip.encode("xx")]
    assert tokenizer.encode("これはkat1yaの透かし絵です") == [
        *clip.encode("これは"), one, *clip.encode("の"), *kanji, *clip.encode("です")
    ]  # fmt: skip
    assert tokenizer.encode("透かし絵_1") == kanji[1:]
    assert (
        tokenizer.decode([*clip.encode("a red "), one, kanji[1], *clip.encode("dog")]) == "a red kat1ya 透かし絵_1 dog"
    )
    tokenizer.remove_tokens(["kat1ya"])
    assert tokenizer.added == {"kat1ya2": [49408], "<neko-tag>": [49409], "透かし絵": [49410, 49411]}
    assert tokenizer.encode("kat1ya") == clip.encode("kat1ya")


def test_names_that_cannot_be_added(clip: Tokenizer) -> None:
    tokenizer = clip.with_pad("<|endoftext|>")
    tokenizer.add_word("gl4ss", 2)
    for name in ["cat", "Painting", "gl4ss", "GL4SS", "gl4ss_1", "<|endoftext|>"]:
        with pytest.raises(ValueError, match="already has a word"):
            tokenizer.add_word(name)
    for name in ["", " x1y", "x1y "]:
        with pytest.raises(ValueError, match="without blanks around it"):
            tokenizer.add_word(name)
    with pytest.raises(ValueError, match="already has a word 'cat'"):
        tokenizer.add_tokens(["n3w", "cat"])
    with pytest.raises(ValueError, match="'n3w' is not an added word; added words: 'gl4ss'"):
        tokenizer.remove_tokens(["n3w"])
    assert tokenizer.vocab_size == 49410


def test_length_and_what_is_cut(clip: Tokenizer) -> None:
    text = "one two three four five"
    assert clip(text, length=5).tolist() == [[49406, *clip.encode("one two three"), 49407]]
    assert clip.cut(text, length=5) == "four five" and clip.cut(text) == ""
    assert clip.cut("a " * 80).split() == ["a"] * 5
    assert clip([]).shape == (0, 77)
    spaced = "Ａ  red-ish CAT"  # the first character is three pieces
    places = [(0, 1), (0, 1), (0, 1), (3, 6), (6, 7), (7, 10), (11, 14)]
    assert [piece[1:] for piece in clip.pieces(spaced)] == places
    with pytest.raises(ValueError, match="length 1 has no place"):
        clip(text, length=1)
    with pytest.raises(IndexError, match="no token has the id 49408"):
        clip.tokens([49408])
    with pytest.raises(KeyError, match="'nosuchname' is not in the vocabulary"):
        clip.ids(["nosuchname"])
    with pytest.raises(ValueError, match="half a character"):
        clip("a \ud83d cat")
    with pytest.raises(TypeError, match="a prompt must be a string, not int: 3"):
        clip(["a", 3])  # type: ignore[list-item]


def test_threads_share_one_tokenizer(clip: Tokenizer) -> None:
    """Words come and go in one thread while others encode: each text is read with the words of one moment."""
    tokenizer = clip.with_pad("!")
    texts = ["a w0rd here", *random_texts(30)]
    plain, word = tokenizer.encode(texts[0]), [*clip.encode("a"), 49408, 49409, *clip.encode("here")]

    def change() -> None:
        for _ in range(100):
            tokenizer.add_word("w0rd", 2)
            tokenizer.remove_tokens(["w0rd"])

    def read() -> set[tuple[int, ...]]:
        return {tuple(tokenizer.encode(texts[0])) for _ in range(100) if tokenizer(texts).shape == (31, 77)}

    with ThreadPoolExecutor(3) as pool:
        changing, *reading = [pool.submit(change), pool.submit(read), pool.submit(read)]
        changing.result()
        for seen in reading:
            assert seen.result() <= {tuple(plain), tuple(word)}


def test_saved_folder_reads_back(clip: Tokenizer, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = clip.with_pad("!")
    tokenizer.add_word("<toy>")
    tokenizer.save(tmp_path)
    again, theirs = Tokenizer.from_folder(tmp_path), transformers.CLIPTokenizer.from_pretrained(tmp_path)
    texts = ["a <toy>!", *random_texts(100)]
    assert again.vocabulary == tokenizer.vocabulary and again.vocab_size == 49409
    assert torch.equal(again(texts), tokenizer(texts))
    expected = theirs(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    assert torch.equal(again(texts), expected)


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="has no vocabulary"):
        Tokenizer.from_folder(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "WordPiece"}}')
    with pytest.raises(ValueError, match="holds a WordPiece model"):
        Tokenizer.from_folder(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        Tokenizer.from_folder(tmp_path)
