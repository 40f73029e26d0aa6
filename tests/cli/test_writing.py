"""Files are written behind the drawing: in order, with their errors, and all of them before the end."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sukashi.cli.writing import WAITING, Writing


def test_drawing_goes_on_while_a_file_is_written_and_paths_come_in_order() -> None:
    said: list[int] = []
    go, begun = threading.Event(), threading.Event()

    def slow() -> int:
        begun.set()
        assert go.wait(10)
        return 1

    with Writing(said.append) as writing:
        writing.put(slow)
        writing.put(lambda: 2)
        assert begun.wait(10)
        writing.told()
        assert said == []  # and yet we are here
        go.set()
    assert said == [1, 2]


def test_told_between_steps() -> None:
    said, cleared, run = list[int](), list[int](), [10, 20, 30]
    with Writing(said.append) as writing:
        writing.put(lambda: 1)
        writing.jobs[0].result(10)
        steps: Any = writing.between(iter, lambda: cleared.append(1))(run)
        assert next(steps) == 10
        assert said == [1]
        assert list(steps) == [20, 30]
    assert cleared == [1]


def test_an_error_of_a_job_is_raised_and_nothing_later_is_written() -> None:
    said: list[int] = []

    def bad() -> int:
        raise FileExistsError("a.png exists")

    with pytest.raises(FileExistsError, match="exists"), Writing(said.append) as writing:
        writing.put(lambda: 1)
        writing.put(bad)
    assert said == [1]


def test_what_is_drawn_is_written_when_drawing_fails(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[int] = []

    def bad() -> int:
        raise OSError("disk full")

    with pytest.raises(KeyboardInterrupt), Writing(said.append) as writing:
        writing.put(lambda: 1)
        writing.put(bad)
        raise KeyboardInterrupt
    assert said == [1]
    assert "disk full" in capsys.readouterr().err


def test_no_more_than_a_few_results_wait() -> None:
    said: list[int] = []
    with Writing(said.append) as writing:
        for k in range(3 * WAITING):
            writing.put(lambda k=k: k)
            assert len(writing.jobs) <= WAITING
    assert said == list(range(3 * WAITING))
