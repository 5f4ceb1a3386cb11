"""Backups: whole copies of a store in use, checked; and one put back, without ever losing what was there."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builders_commands import at_home, hemadiff
from builders_store import counted_run, create

from appliance import backup
from appliance.accounts import secret
from appliance.accounts.accounts import Accounts
from appliance.audit import AuditTrail
from appliance.backup import back_up, backups, check, made_at, restore
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.service_desk import at_desk
from appliance.store import Store
from appliance.store_lock import StoreLock, lock_path

NIGHT = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    counted_run(tmp_path / "box" / "h.sqlite")
    return tmp_path / "box" / "h.sqlite"


def runs_in(path: Path) -> list[str]:
    with Store.read_only(path) as opened:
        return [run.id for run in opened.runs()]


def damaged(path: Path) -> None:
    """Overwrite the middle of a store."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 6000] = b"\xa5" * 6000
    path.write_bytes(content)


def test_a_backup_holds_what_the_store_holds_in_one_file(store: Path, tmp_path: Path) -> None:
    made = back_up(store, tmp_path / "backups", now=NIGHT)
    assert made.path.name == "hemadiff-20260301T023000Z.sqlite"
    assert made.runs == 1
    assert [each.name for each in (tmp_path / "backups").iterdir()] == [made.path.name]
    assert runs_in(made.path) == runs_in(store)


def test_a_backup_is_its_owner_s_alone(store: Path, tmp_path: Path) -> None:
    made = back_up(store, tmp_path / "backups")
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert made.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_store_in_use_is_backed_up_with_what_is_still_in_its_log(store: Path, tmp_path: Path) -> None:
    with StoreLock(lock_path(store)), Store(store) as in_use:
        create(in_use, "fedcba987654")
        made = back_up(store, tmp_path / "backups")
    assert sorted(runs_in(made.path)) == ["0123456789ab", "fedcba987654"]


def test_a_writer_goes_on_while_a_backup_is_made(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked, written = threading.Event(), threading.Event()

    def check_while_another_writes(path: Path) -> int:
        checked.set()
        assert written.wait(30)
        return check(path)

    monkeypatch.setattr(backup, "check", check_while_another_writes)
    copying = threading.Thread(target=back_up, args=[store, tmp_path / "backups"])
    with Store(store) as in_use:
        copying.start()
        assert checked.wait(30)
        create(in_use, "fedcba987654")
    written.set()
    copying.join(30)
    (made,) = backups(tmp_path / "backups")
    assert runs_in(made) == ["0123456789ab"]


def test_the_newest_backups_are_kept_and_nothing_else_in_the_folder_is_touched(
    store: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "letter.txt").write_text("mine")
    made = [back_up(store, folder, keep=2, now=NIGHT + timedelta(days=n)).path for n in range(4)]
    assert backups(folder) == [made[3], made[2]]
    assert (folder / "letter.txt").read_text() == "mine"
    assert made_at(made[3]) == NIGHT + timedelta(days=3)


def test_a_copy_that_is_not_whole_goes_away_and_no_older_one_does(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = back_up(store, tmp_path / "backups", now=NIGHT)

    def finds_damage(path: Path) -> int:
        raise ApplianceError("page 7 is damaged")

    monkeypatch.setattr(backup, "check", finds_damage)
    with pytest.raises(ApplianceError, match="page 7"):
        back_up(store, tmp_path / "backups", keep=1, now=NIGHT + timedelta(days=1))
    assert list((tmp_path / "backups").iterdir()) == [older.path]


def test_no_backup_is_begun_where_there_is_no_room(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("appliance.backup.shutil.disk_usage", lambda _: full)
    with pytest.raises(ApplianceRefused, match="Make room"):
        back_up(store, tmp_path / "backups")
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_store_that_can_only_be_read_here_is_backed_up_too(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "cannot_change", lambda path: path == store)
    made = back_up(store, tmp_path / "backups")
    assert [each.name for each in store.parent.iterdir()] == [store.name]
    assert runs_in(made.path) == runs_in(store)


def test_a_damaged_store_is_found_out(store: Path) -> None:
    damaged(store)
    with pytest.raises((ApplianceError, ApplianceRefused), match="damaged"):
        check(store)


def test_a_restored_store_is_the_backup_and_the_replaced_one_is_kept(store: Path, tmp_path: Path) -> None:
    made = back_up(store, tmp_path / "backups", now=NIGHT)
    with Store(store) as newer:
        create(newer, "fedcba987654")
    kept = restore(made.path, store, "anna", now=NIGHT)
    assert runs_in(store) == ["0123456789ab"]
    assert kept == store.with_name("h.replaced-20260301T023000Z.sqlite")
    assert sorted(runs_in(kept)) == ["0123456789ab", "fedcba987654"]


def test_a_restore_is_on_the_audit_trail_of_the_restored_store(store: Path, tmp_path: Path) -> None:
    made = back_up(store, tmp_path / "backups")
    restore(made.path, store, "anna", now=NIGHT)
    with Store.read_only(store) as restored:
        entry = AuditTrail(restored).entries()[0]
        assert AuditTrail(restored).verify().broken is None
    assert (entry.who, entry.what, entry.subject) == ("anna", "restore", made.path.name)


def test_nothing_is_restored_while_an_instrument_works_with_the_store(store: Path, tmp_path: Path) -> None:
    made = back_up(store, tmp_path / "backups")
    with StoreLock(lock_path(store)), pytest.raises(ApplianceRefused, match="Another instrument"):
        restore(made.path, store, "anna")


def test_a_store_that_somebody_reads_is_not_pulled_away(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "BUSY_S", 0.01)
    made = back_up(store, tmp_path / "backups")
    with Store(store) as in_use:
        create(in_use, "fedcba987654")
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM runs").fetchone()
            create(in_use, "aaaaaaaaaaaa")
            with pytest.raises(ApplianceRefused, match="hemadiff-web"):
                restore(made.path, store, "anna")
    assert "fedcba987654" in runs_in(store)


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"a letter, and no database", "no store"), (b"", "holds no counts"), (None, "no backup")],
)
def test_what_is_no_backup_replaces_nothing(
    store: Path, tmp_path: Path, content: bytes | None, why: str
) -> None:
    if content is not None:
        (tmp_path / "b.sqlite").write_bytes(content)
    with pytest.raises(ApplianceRefused, match=why):
        restore(tmp_path / "b.sqlite", store, "anna")
    assert runs_in(store) == ["0123456789ab"]


def test_a_damaged_backup_replaces_nothing(store: Path, tmp_path: Path) -> None:
    made = back_up(store, tmp_path / "backups")
    damaged(made.path)
    with pytest.raises((ApplianceError, ApplianceRefused), match="damaged"):
        restore(made.path, store, "anna")
    assert runs_in(store) == ["0123456789ab"]


def test_a_store_that_was_lost_is_restored(store: Path, tmp_path: Path) -> None:
    made = back_up(store, tmp_path / "backups")
    store.unlink()
    assert restore(made.path, store, "anna") is None
    assert runs_in(store) == ["0123456789ab"]


def test_nobody_restores_what_another_user_then_cannot_open(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = back_up(store, tmp_path / "backups")
    monkeypatch.setattr("appliance.backup.os.geteuid", lambda: 12345)
    with pytest.raises(ApplianceRefused, match="sudo -u"):
        restore(made.path, store, "anna")


def test_the_command_makes_a_backup_and_puts_it_on_the_audit_trail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = at_home(tmp_path, monkeypatch)
    counted_run(place)
    result = hemadiff("backup", tmp_path / "backups")
    assert result.exit_code == 0, result.output
    assert "1 count," in result.output
    with Store.read_only(place) as opened:
        assert AuditTrail(opened).entries()[0].what == "backup"


def test_the_command_asks_before_it_replaces_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = at_home(tmp_path, monkeypatch)
    counted_run(place)
    made = back_up(place, tmp_path / "backups")
    assert hemadiff("restore", made.path).exit_code != 0
    result = hemadiff("restore", made.path, "--yes")
    assert result.exit_code == 0, result.output
    assert "is kept as" in result.output


def with_people(store: Path) -> None:
    """Two people, one of whom has changed the PIN: what it was before still lies in the store's pages."""
    with Store(store) as opened:
        for name, role in (("ada", "administrator"), ("robin", "reviewer")):
            said = {
                "by": "ada",
                "name": name,
                "role": role,
                "password": "$argon2id$word",
                "pin": "$argon2id$first",
            }
            at_desk(opened, "add_account", said)
        at_desk(opened, "change_account", {"by": "robin", "name": "robin", "pin": "$argon2id$second"})


def test_a_copy_that_leaves_holds_everybody_and_nobodys_secret(store: Path, tmp_path: Path) -> None:
    with_people(store)
    made = back_up(store, tmp_path / "out", secrets=False)
    assert [each.name for each in (tmp_path / "out").iterdir()] == [made.path.name]
    assert b"$argon2id$" not in made.path.read_bytes()
    assert runs_in(made.path) == runs_in(store)
    with Store.read_only(made.path) as copy:
        assert [(each.name, str(each.role)) for each in Accounts(copy).all()] == [
            ("ada", "administrator"),
            ("robin", "reviewer"),
        ]
        assert AuditTrail(copy).verify().broken is None


def test_the_instruments_own_backups_keep_everybodys_secret(store: Path, tmp_path: Path) -> None:
    with_people(store)
    with Store.read_only(back_up(store, tmp_path / "backups").path) as copy:
        assert not Accounts(copy).without_secrets()


def test_a_restored_store_without_secrets_says_how_people_sign_in_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = at_home(tmp_path, monkeypatch)
    counted_run(home)
    with_people(home)
    made = back_up(home, tmp_path / "out", secrets=False)
    said = hemadiff("restore", made.path, "--yes").output
    assert "hemadiff accounts password NAME" in said
    assert hemadiff("accounts", "password", "robin", "--password", "smear-under-oil").exit_code == 0
    with Store.read_only(home) as restored:
        robin = Accounts(restored).get("robin")
    assert secret.fits(robin.password, "smear-under-oil")
    assert robin.password_given, "they choose their own when they first sign in"
