"""Jobs on disk: one SQLite file (WAL), and files beside it; whatever is answered for survives a kill -9.

The order is what keeps it whole. Taking a job: its inputs are files before its row is written. Drawing: a picture is a
complete file before its row is written, and its last row ends the job in the same transaction. So after a crash every
row has its file; files without a row are removed at the next start, and what was being drawn is drawn again.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sukashi.serve.jobs.files import Files, held, write_whole
from sukashi.serve.jobs.job import OPEN, Drawn, Job, Wish

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, state TEXT NOT NULL, task TEXT NOT NULL,
  model TEXT NOT NULL, api TEXT NOT NULL, client TEXT NOT NULL, prompt TEXT NOT NULL, settings TEXT NOT NULL,
  options TEXT NOT NULL, inputs TEXT NOT NULL, attention INTEGER NOT NULL, created REAL NOT NULL, started REAL,
  finished REAL, facts TEXT NOT NULL DEFAULT '{}', error TEXT);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, number);
CREATE TABLE IF NOT EXISTS pictures (
  job TEXT NOT NULL REFERENCES jobs (id), k INTEGER NOT NULL, facts TEXT NOT NULL, PRIMARY KEY (job, k)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS options (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class Store:
    """One connection for all threads, each call a short transaction."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.held = held(folder / "lock")
        self.files = Files(folder)
        self.lock = threading.RLock()
        self.connection = sqlite3.connect(folder / "jobs.sqlite", check_same_thread=False, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
            self.connection.execute(f"PRAGMA {pragma}")
        self.connection.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file, and let another server have the folder."""
        with self.lock:
            self.connection.close()
            self.held.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing."""
        with self.lock:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")

    def read(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """The rows of a query."""
        with self.lock:
            return self.connection.execute(query, values).fetchall()

    # ------------------------------------------------------------------------------------------------ the way of a job

    def add(self, wish: Wish) -> Job:
        """Keep what is asked for; from here on it is not lost."""
        job = secrets.token_hex(12)
        for name, data in wish.inputs.items():
            write_whole(self.files.input(job, name), data)
        settings = dict(wish.settings)
        told = (wish.task, wish.model, wish.api, wish.client, settings["prompt"], json.dumps(settings))
        kept = (
            json.dumps(dict(wish.options)),
            json.dumps(sorted(wish.inputs)),
            json.dumps(wish.attention),
            time.time(),
        )
        with self.writing() as connection:
            connection.execute(
                "INSERT INTO jobs (id, state, task, model, api, client, prompt, settings, options, inputs, attention,"
                " created) VALUES (?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (job, *told, *kept),
            )
        return self.job(job)

    def start(self, job: str) -> bool:
        """Say that it is being drawn; False where it is over meanwhile."""
        with self.writing() as connection:
            connection.execute(
                "UPDATE jobs SET state = 'running', started = coalesce(started, ?) WHERE id = ? AND state = 'queued'",
                (time.time(), job),
            )
            row = connection.execute("SELECT state FROM jobs WHERE id = ?", (job,)).fetchone()
        return row is not None and row["state"] == "running"

    def finish_picture(self, job: str, drawn: Drawn, facts: Mapping[str, Any], *, last: bool = False) -> Job | None:
        """Enter a picture whose file is written; the last one missing (or ``last``) ends the job.

        Returns the job, or None where it is over already: then the picture does not count.
        """
        with self.writing() as connection:
            row = connection.execute("SELECT state, settings FROM jobs WHERE id = ?", (job,)).fetchone()
            if row is None or row["state"] != "running":
                return None
            kept = {key: value for key, value in vars(drawn).items() if key != "k"}
            connection.execute("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?)", (job, drawn.k, json.dumps(kept)))
            there = connection.execute("SELECT count(*) FROM pictures WHERE job = ?", (job,)).fetchone()[0]
            over = last or there >= int(json.loads(row["settings"])["count"])
            now = ("done", time.time()) if over else ("running", None)
            connection.execute(
                "UPDATE jobs SET facts = ?, state = ?, finished = ? WHERE id = ?", (json.dumps(dict(facts)), *now, job)
            )
        return self.job(job)

    def end(self, job: str, state: str, error: str | None = None, **why: Any) -> bool:
        """End it as "cancelled", "failed" or "done" unless it is over; whether that changed anything.

        ``why`` says for programs what ``error`` says.
        """
        with self.writing() as connection:
            row = connection.execute("SELECT state, facts FROM jobs WHERE id = ?", (job,)).fetchone()
            if row is None or row["state"] not in OPEN:
                return False
            facts = json.dumps({**json.loads(row["facts"]), **({"why": why} if why else {})})
            connection.execute(
                "UPDATE jobs SET state = ?, error = ?, finished = ?, facts = ? WHERE id = ?",
                (state, error, time.time(), facts, job),
            )
            return True

    def forget(self, job: str) -> bool:
        """Delete a job with its pictures and everything else that is kept of it; whether it was there.

        Its rows go first: after a crash its files are files without a row, which the next start removes.
        """
        with self.writing() as connection:
            connection.execute("DELETE FROM pictures WHERE job = ?", (job,))
            there = connection.execute("DELETE FROM jobs WHERE id = ?", (job,)).rowcount > 0
        if there:
            self.files.remove(job)
        return there

    def recover(self) -> list[Job]:
        """After a start: what was being drawn is queued again; all jobs that wait, in their order."""
        with self.writing() as connection:
            connection.execute("UPDATE jobs SET state = 'queued' WHERE state = 'running'")
        waiting = [self._job(row) for row in self.read("SELECT * FROM jobs WHERE state = 'queued' ORDER BY number")]
        rows = self.read("SELECT job, k FROM pictures")
        self.files.tidy({(row["job"], row["k"]) for row in rows}, {job.id for job in waiting} | self._with_inputs())
        return waiting

    def _with_inputs(self) -> set[str]:
        return {row["id"] for row in self.read("SELECT id FROM jobs WHERE inputs != '[]'")}

    # ------------------------------------------------------------------------------------------------ looking

    def find(self, job: str) -> Job | None:
        """A job, or None."""
        rows = self.read("SELECT * FROM jobs WHERE id = ?", job)
        return self._job(rows[0]) if rows else None

    def job(self, job: str) -> Job:
        """A job that is there. Raises KeyError."""
        found = self.find(job)
        if found is None:
            raise KeyError(job)
        return found

    def history(
        self, search: str = "", limit: int = 24, before: str | None = None, state: str | None = None
    ) -> list[Job]:
        """Jobs with every word of ``search`` in the prompt, newest first, asked for earlier than ``before``."""
        terms, values = ["1"], list[Any]()
        for word in search.split():
            quoted = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            terms.append("prompt LIKE ? ESCAPE '\\'")
            values.append(f"%{quoted}%")
        if before is not None:
            terms.append("number < coalesce((SELECT number FROM jobs WHERE id = ?), 0)")
            values.append(before)
        if state is not None:
            terms.append("state = ?")
            values.append(state)
        query = f"SELECT * FROM jobs WHERE {' AND '.join(terms)} ORDER BY number DESC LIMIT ?"
        return [self._job(row) for row in self.read(query, *values, limit)]

    def over(self) -> list[tuple[str, float]]:
        """The jobs that are over, newest first, and when each ended."""
        query = "SELECT id, finished FROM jobs WHERE state NOT IN ('queued', 'running') ORDER BY number DESC"
        return [(row["id"], row["finished"] or 0.0) for row in self.read(query)]

    def numbers(self) -> dict[str, int]:
        """How many jobs there are in each state."""
        return {row["state"]: row["n"] for row in self.read("SELECT state, count(*) AS n FROM jobs GROUP BY state")}

    def _job(self, row: sqlite3.Row) -> Job:
        pictures = self.read("SELECT k, facts FROM pictures WHERE job = ? ORDER BY k", row["id"])
        same = {name: row[name] for name in ("id", "number", "state", "task", "model", "api", "client", "error")}
        times = {name: row[name] for name in ("created", "started", "finished")}
        watching = json.loads(str(row["attention"]))
        return Job(
            **same,
            **times,
            settings=json.loads(row["settings"]),
            options=json.loads(row["options"]),
            inputs=tuple(json.loads(row["inputs"])),
            attention=watching if isinstance(watching, list) else bool(watching),
            facts=json.loads(row["facts"]),
            images=[Drawn(k=p["k"], **json.loads(p["facts"])) for p in pictures],
        )

    # ------------------------------------------------------------------------------------------------ A1111's options

    def options(self) -> dict[str, Any]:
        """The options that clients have set."""
        return {row["name"]: json.loads(row["value"]) for row in self.read("SELECT * FROM options")}

    def set_options(self, values: Mapping[str, Any]) -> None:
        """Keep options for later requests."""
        with self.writing() as connection:
            rows = [(name, json.dumps(value)) for name, value in values.items()]
            connection.executemany("INSERT OR REPLACE INTO options VALUES (?, ?)", rows)
