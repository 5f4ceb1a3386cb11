"""The tables of the store, and how an older store becomes a newer one.

A migration that has been released stays as it is, by its name too: a store that has one of an unknown name was written
by a newer version, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlite_utils.db import Database
from sqlite_utils.migrations import Migrations

from appliance.first_tables import FIRST_TABLES

migrations = Migrations("hemadiff")

# Results change only by adding: not even a mistake of ours may rewrite what a run found.
ONLY_ADDED = ("fields", "cells", "patches", "tallies", "events")


@migrations()
def first_tables(db: Database) -> None:
    """Slides, runs, and what a run found, field by field."""
    # sqlite3's executescript would commit the transaction in which a migration runs.
    for statement in FIRST_TABLES.split(";\n"):
        db.conn.execute(statement)
    for table in ONLY_ADDED:
        _only_added(db, table)


@migrations()
def surveys(db: Database) -> None:
    """What a microscope found when it looked a slide over."""
    db.conn.execute(
        "CREATE TABLE surveys (run TEXT PRIMARY KEY REFERENCES runs (id), regions TEXT NOT NULL, "
        "picture BLOB NOT NULL, x_um REAL NOT NULL, y_um REAL NOT NULL, um_per_px REAL NOT NULL, "
        "tour TEXT NOT NULL, at TEXT NOT NULL) STRICT"
    )
    _only_added(db, "surveys")


@migrations()
def calibrations(db: Database) -> None:
    """Calibrations on record, and which of them is in force for its setup: the one that was put so last."""
    db.conn.execute(
        "CREATE TABLE calibrations (id TEXT PRIMARY KEY, digest TEXT NOT NULL, setup TEXT NOT NULL, "
        "made TEXT NOT NULL, origin TEXT NOT NULL, record TEXT NOT NULL, added TEXT NOT NULL) STRICT"
    )
    db.conn.execute(
        "CREATE TABLE calibrations_in_force (id INTEGER PRIMARY KEY, "
        "calibration TEXT NOT NULL REFERENCES calibrations (id), setup TEXT NOT NULL, who TEXT NOT NULL, "
        "confirmed TEXT NOT NULL, at TEXT NOT NULL) STRICT"
    )
    db.conn.execute("CREATE INDEX calibrations_in_force_setup ON calibrations_in_force (setup, id)")
    for table in ("calibrations", "calibrations_in_force"):
        _only_added(db, table)


@migrations()
def quality_controls(db: Database) -> None:
    """The daily quality controls."""
    db.conn.execute(
        "CREATE TABLE quality_controls (id INTEGER PRIMARY KEY, who TEXT NOT NULL, slide TEXT NOT NULL, "
        "located INTEGER NOT NULL, missed INTEGER NOT NULL, false_finds INTEGER NOT NULL, limits TEXT NOT NULL, "
        "passed INTEGER NOT NULL, run TEXT REFERENCES runs (id), calibration TEXT, note TEXT NOT NULL, "
        "at TEXT NOT NULL) STRICT"
    )
    _only_added(db, "quality_controls")


@migrations()
def marks(db: Database) -> None:
    """What a person must know of a run's result: sentences, as JSON."""
    db.conn.execute("ALTER TABLE runs ADD COLUMN marks TEXT NOT NULL DEFAULT '[]'")


@migrations()
def red_cell_checks(db: Database) -> None:
    """What the red cells of a run's first fields said of its scale. off: a share."""
    db.conn.execute(
        "CREATE TABLE red_cell_checks (run TEXT PRIMARY KEY REFERENCES runs (id), verdict TEXT NOT NULL, "
        "said TEXT NOT NULL, cells INTEGER NOT NULL, fields INTEGER NOT NULL, um_per_px REAL, uncertainty REAL, "
        "off REAL, at TEXT NOT NULL) STRICT"
    )
    _only_added(db, "red_cell_checks")


@migrations()
def audit(db: Database) -> None:
    """Who did what and when, each line bound to the one before. Only added."""
    db.conn.execute(
        "CREATE TABLE audit (seq INTEGER PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, "
        "subject TEXT NOT NULL, details TEXT NOT NULL, before TEXT NOT NULL, digest TEXT NOT NULL) STRICT"
    )
    _only_added(db, "audit")


@migrations()
def accounts(db: Database) -> None:
    """People, programs' tokens, and links to watch one run."""
    db.conn.execute(
        "CREATE TABLE accounts (name TEXT PRIMARY KEY, role TEXT NOT NULL, password TEXT, pin TEXT, "
        "disabled INTEGER NOT NULL, epoch INTEGER NOT NULL, failures INTEGER NOT NULL, failed_at TEXT, "
        "added TEXT NOT NULL) STRICT"
    )
    db.conn.execute(
        "CREATE TABLE tokens (id TEXT PRIMARY KEY, title TEXT NOT NULL, role TEXT NOT NULL, "
        "digest TEXT NOT NULL UNIQUE, by TEXT NOT NULL, added TEXT NOT NULL, expires TEXT NOT NULL, "
        "revoked INTEGER NOT NULL) STRICT"
    )
    db.conn.execute(
        "CREATE TABLE links (id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES runs (id), "
        "digest TEXT NOT NULL UNIQUE, by TEXT NOT NULL, added TEXT NOT NULL, expires TEXT NOT NULL, "
        "opened TEXT) STRICT"
    )


@migrations()
def review(db: Database) -> None:
    """What people say of a run's cells after the machine, what they sign, and what they note."""
    db.conn.execute(
        "CREATE TABLE reclassifications (id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs (id), "
        "cell INTEGER NOT NULL REFERENCES cells (id), who TEXT NOT NULL, at TEXT NOT NULL, "
        "label_from TEXT, label_to TEXT, reading TEXT NOT NULL CHECK (reading IN ('review', 'second')), "
        "batch TEXT NOT NULL, undoes TEXT, "
        "CHECK (reading = 'second' OR label_from IS NOT NULL AND label_to IS NOT NULL)) STRICT"
    )
    db.conn.execute(
        "CREATE TABLE second_readings (id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs (id), "
        "who TEXT NOT NULL, what TEXT NOT NULL CHECK (what IN ('begun', 'finished')), cells INTEGER NOT NULL, "
        "after INTEGER NOT NULL, at TEXT NOT NULL, UNIQUE (run, who, what)) STRICT"
    )
    db.conn.execute(
        "CREATE TABLE signatures (id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs (id), "
        "status TEXT NOT NULL CHECK (status IN ('preliminary', 'final', 'amended')), digest TEXT NOT NULL, "
        "statement TEXT NOT NULL, after INTEGER NOT NULL, who TEXT NOT NULL, at TEXT NOT NULL, "
        "note TEXT NOT NULL) STRICT"
    )
    db.conn.execute(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs (id), who TEXT NOT NULL, "
        "at TEXT NOT NULL, text TEXT NOT NULL) STRICT"
    )
    for table in ("reclassifications", "second_readings", "signatures", "notes"):
        db.conn.execute(f"CREATE INDEX {table}_run ON {table} (run, id)")
        _only_added(db, table)


@migrations()
def qc_reviews(db: Database) -> None:
    """The pictures of fields counted for quality control, for some days; and what a person marked in them."""
    db.conn.execute(
        "CREATE TABLE qc_pictures (field INTEGER PRIMARY KEY REFERENCES fields (id), "
        "run TEXT NOT NULL REFERENCES runs (id), jpeg BLOB NOT NULL, at TEXT NOT NULL) STRICT"
    )
    db.conn.execute("CREATE INDEX qc_pictures_run ON qc_pictures (run)")
    db.conn.execute(
        "CREATE TABLE qc_marks (id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs (id), "
        "field INTEGER NOT NULL, kind TEXT NOT NULL, present INTEGER NOT NULL, "
        "cell INTEGER REFERENCES cells (id), x INTEGER, y INTEGER, at TEXT NOT NULL) STRICT"
    )
    db.conn.execute("CREATE INDEX qc_marks_run ON qc_marks (run, id)")
    _only_added(db, "qc_marks")


@migrations()
def never_replaced(db: Database) -> None:
    """What is only added is not replaced either, and what a run was counted under stays.

    SQLite's INSERT OR REPLACE deletes the row before without asking the trigger that forbids it.
    """
    for table, keys in NEVER_REPLACED.items():
        there = " OR ".join(f"({key})" for key in ("rowid = NEW.rowid", *keys))
        _refused(
            db, f"{table}_no_replace", f"INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {there})"
        )
    scale = "calibration, calibration_source, um_per_px, plan, digest, weights"
    _refused(db, "runs_no_other_scale", f"UPDATE OF {scale} ON runs")


NEVER_REPLACED: Mapping[str, tuple[str, ...]] = {
    "runs": ("id = NEW.id",),
    "fields": ("run = NEW.run AND number = NEW.number",),
    "cells": (),
    "patches": (),
    "tallies": (),
    "events": (),
    "surveys": ("run = NEW.run",),
    "calibrations": ("id = NEW.id",),
    "calibrations_in_force": (),
    "quality_controls": (),
    "red_cell_checks": ("run = NEW.run",),
    "qc_marks": (),
}
"""By what else than its rowid (which an integer primary key is) a row would take the place of another."""


def _refused(db: Database, name: str, what: str) -> None:
    table = name.partition("_no_")[0]
    db.conn.execute(
        f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {what} "
        f"BEGIN SELECT RAISE(ABORT, '{table}: results change only by adding'); END"
    )


@migrations()
def field_pictures(db: Database) -> None:
    """Every count keeps its fields' pictures for some days, and not only one for quality control."""
    db.conn.execute("ALTER TABLE qc_pictures RENAME TO field_pictures")


@migrations()
def labelling(db: Database) -> None:
    """Sets of labelled cells: their fields, what people say of the cells, and cells that joined from signed runs."""
    who = "who TEXT NOT NULL, at TEXT NOT NULL"
    for table, columns in {
        "label_sets": "id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, panel TEXT NOT NULL, specimen TEXT NOT NULL, "
        "labels TEXT NOT NULL, wanted INTEGER NOT NULL",
        "label_fields": "id INTEGER PRIMARY KEY, label_set TEXT NOT NULL REFERENCES label_sets (id), "
        "picture BLOB NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, um_per_px REAL NOT NULL, "
        "calibration TEXT NOT NULL, smear TEXT NOT NULL, labelled INTEGER NOT NULL, run TEXT REFERENCES runs (id), "
        "digest TEXT NOT NULL",
        "label_cells": "id INTEGER PRIMARY KEY, field INTEGER NOT NULL REFERENCES label_fields (id), "
        "x REAL NOT NULL, y REAL NOT NULL, radius_um REAL, origin TEXT NOT NULL, crop BLOB NOT NULL",
        "label_marks": "id INTEGER PRIMARY KEY, cell INTEGER NOT NULL REFERENCES label_cells (id), label TEXT",
        "label_finished": "id INTEGER PRIMARY KEY, field INTEGER NOT NULL REFERENCES label_fields (id)",
        "label_settled": "id INTEGER PRIMARY KEY, cell INTEGER NOT NULL REFERENCES label_cells (id), label TEXT",
        "label_singles": "id INTEGER PRIMARY KEY, label_set TEXT NOT NULL REFERENCES label_sets (id), "
        "crop BLOB NOT NULL, label TEXT NOT NULL, smear TEXT NOT NULL, cell INTEGER REFERENCES cells (id)",
    }.items():
        db.conn.execute(f"CREATE TABLE {table} ({columns}, {who}) STRICT")
        _only_added(db, table)
        there = f"EXISTS (SELECT 1 FROM {table} WHERE rowid = NEW.rowid)"
        _refused(db, f"{table}_no_replace", f"INSERT ON {table} WHEN {there}")
    db.conn.execute("CREATE UNIQUE INDEX label_fields_digest ON label_fields (label_set, digest)")
    for table, column in (
        ("cells", "field"),
        ("marks", "cell"),
        ("settled", "cell"),
        ("singles", "label_set"),
    ):
        db.conn.execute(f"CREATE INDEX label_{table}_{column} ON label_{table} ({column}, id)")


@migrations()
def people_are_never_replaced(db: Database) -> None:
    """What people did, said and signed is not replaced either."""
    for table in ("audit", "reclassifications", "second_readings", "signatures", "notes"):
        there = f"SELECT 1 FROM {table} WHERE rowid = NEW.rowid"
        _refused(db, f"{table}_no_replace", f"INSERT ON {table} WHEN EXISTS ({there})")


@migrations()
def nothing_only_added_is_replaced(db: Database) -> None:
    """What people did, said, signed and labelled is not replaced either: every table since `never_replaced`."""
    only_added = db.query(
        "SELECT tbl_name AS name FROM sqlite_master WHERE type = 'trigger' AND name = tbl_name || '_no_update'"
    )
    for table in [row["name"] for row in only_added]:
        there = f"SELECT 1 FROM {table} WHERE rowid = NEW.rowid"
        _refused(db, f"{table}_no_replace", f"INSERT ON {table} WHEN EXISTS ({there})")


@migrations()
def sessions_and_wrong_tries(db: Database) -> None:
    """Wrong tries by name and way, whose secret somebody else chose, and what was ended before its time."""
    db.conn.execute(
        "CREATE TABLE sign_in_failures (name TEXT NOT NULL REFERENCES accounts (name), way TEXT NOT NULL, "
        "count INTEGER NOT NULL, latest TEXT NOT NULL, PRIMARY KEY (name, way)) STRICT"
    )
    for column in ("failures", "failed_at"):
        db.conn.execute(f"ALTER TABLE accounts DROP COLUMN {column}")
    for column in ("password_given", "pin_given"):
        db.conn.execute(f"ALTER TABLE accounts ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
    db.conn.execute("CREATE TABLE ended_sessions (id TEXT PRIMARY KEY, expires TEXT NOT NULL) STRICT")
    db.conn.execute("ALTER TABLE links ADD COLUMN ended TEXT")


@migrations()
def causes(db: Database) -> None:
    """The kind of what paused or ended a run: what to do about it depends on that."""
    db.conn.execute("ALTER TABLE runs ADD COLUMN cause TEXT NOT NULL DEFAULT ''")


@migrations()
def withdrawn_from_labelling(db: Database) -> None:
    """Fields and sets that labelling leaves out from then on, and that were put back; the last row of each stands."""
    db.conn.execute(
        "CREATE TABLE label_withdrawals (id INTEGER PRIMARY KEY, label_set TEXT REFERENCES label_sets (id), "
        "field INTEGER REFERENCES label_fields (id), withdrawn INTEGER NOT NULL CHECK (withdrawn IN (0, 1)), "
        "who TEXT NOT NULL, at TEXT NOT NULL, CHECK ((label_set IS NULL) <> (field IS NULL))) STRICT"
    )
    _only_added(db, "label_withdrawals")
    there = "EXISTS (SELECT 1 FROM label_withdrawals WHERE rowid = NEW.rowid)"
    _refused(db, "label_withdrawals_no_replace", f"INSERT ON label_withdrawals WHEN {there}")
    for column in ("label_set", "field"):
        db.conn.execute(f"CREATE INDEX label_withdrawals_{column} ON label_withdrawals ({column}, id)")


@migrations()
def smears_of_sets(db: Database) -> None:
    """The smears of labelled sets in the order in which they came: those of fields, then those of single cells."""
    db.conn.execute(
        "CREATE TABLE label_smears (id INTEGER PRIMARY KEY, label_set TEXT NOT NULL REFERENCES label_sets (id), "
        "smear TEXT NOT NULL, UNIQUE (label_set, smear)) STRICT"
    )
    for table in ("label_fields", "label_singles"):
        new = "NOT EXISTS (SELECT 1 FROM label_smears WHERE label_set = {0}.label_set AND smear = {0}.smear)"
        db.conn.execute(
            f"INSERT INTO label_smears (label_set, smear) SELECT label_set, smear FROM {table} "
            f"WHERE {new.format(table)} GROUP BY label_set, smear ORDER BY min(id)"
        )
        db.conn.execute(
            f"CREATE TRIGGER {table}_smear AFTER INSERT ON {table} WHEN {new.format('NEW')} "
            "BEGIN INSERT INTO label_smears (label_set, smear) VALUES (NEW.label_set, NEW.smear); END"
        )
    _only_added(db, "label_smears")
    same = "rowid = NEW.rowid OR (label_set = NEW.label_set AND smear = NEW.smear)"
    there = f"EXISTS (SELECT 1 FROM label_smears WHERE {same})"
    _refused(db, "label_smears_no_replace", f"INSERT ON label_smears WHEN {there}")


@migrations()
def audit_is_found_by_what_who_and_subject(db: Database) -> None:
    """The trail of a kind, a person or a run is found without going along all of it."""
    for column in ("what", "who", "subject"):
        db.conn.execute(f"CREATE INDEX audit_{column} ON audit ({column}, seq)")


def _only_added(db: Database, table: str) -> None:
    for verb in ("UPDATE", "DELETE"):
        db.conn.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table}: results change only by adding'); END"
        )
