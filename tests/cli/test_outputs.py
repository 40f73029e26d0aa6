"""Where pictures go: the next free name, never over another."""

from __future__ import annotations

from pathlib import Path

import pytest

from sukashi.outputs import Target


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x"):
        pass


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_numbered_on_from_what_is_there(tmp_path: Path) -> None:
    target = Target(tmp_path / "out")
    assert [target.put(seed, write).name for seed in (5, 6)] == ["00000-5.png", "00001-6.png"]
    (tmp_path / "out" / "00041-x.jpg").touch()
    (tmp_path / "out" / "notes.txt").touch()
    assert Target(tmp_path / "out").put(7, write).name == "00042-7.png"


def test_a_name_taken_meanwhile_is_passed_over(tmp_path: Path) -> None:
    target, tried = Target(tmp_path), []

    def contested(path: Path) -> None:
        tried.append(path.name)
        if len(tried) < 3:
            path.touch()  # another process was faster
        write(path)

    assert target.put(1, contested).name == "00002-1.png" and len(tried) == 3


def test_a_pattern_takes_the_free_numbers(tmp_path: Path) -> None:
    (tmp_path / "cat-001.png").touch()
    target = Target(str(tmp_path / "cat-%03d.png"))
    target.refuse(99)
    assert [target.put(9, write).name for _ in range(3)] == ["cat-000.png", "cat-002.png", "cat-003.png"]
    over = Target(str(tmp_path / "cat-%03d.png"), overwrite=True)
    assert [over.put(9, lambda path: None).name for _ in range(2)] == ["cat-000.png", "cat-001.png"]


def test_one_file_and_its_fellows(tmp_path: Path) -> None:
    target = Target(tmp_path / "new" / "a.b.png")
    assert [target.put(1, write).name for _ in range(3)] == ["a.b.png", "a.b_2.png", "a.b_3.png"]
    assert names(tmp_path / "new") == ["a.b.png", "a.b_2.png", "a.b_3.png"]
    target.refuse(1)  # its own earlier pictures are in nobody's way


def test_a_file_that_is_there_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "a_2.png").touch()
    target = Target(tmp_path / "a.png")
    target.refuse(1)
    with pytest.raises(FileExistsError, match=r"a_2\.png exists; --overwrite"):
        target.refuse(2)
    Target(tmp_path / "a.png", overwrite=True).refuse(2)
    with pytest.raises(FileExistsError):
        Target(tmp_path / "a_2.png").put(1, write)


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_drawn(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    for name in ("a.png", "new/folder/", "%03d.png", "new/a.png"):
        with pytest.raises(PermissionError, match="may not be written to"):
            Target(f"{tmp_path}/{name}").refuse(1)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.gif", "saved as .png"),
        ("%03d.txt", "saved as .png"),
        ("%d/a.png", "only the file's name may have a number"),
        ("plain", "plain is a file, not a folder"),
    ],
)
def test_names_that_pictures_cannot_have(tmp_path: Path, monkeypatch, name: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain").touch()
    with pytest.raises(ValueError, match=said):
        Target(name)


def test_folders_by_their_name(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("with.dot").mkdir()
    for name in (None, "a", "b.png/", "with.dot", "50%/"):
        assert Target(name).put(3, write).name == "00000-3.png"
    assert names(tmp_path) == ["50%", "a", "b.png", "outputs", "with.dot"]
