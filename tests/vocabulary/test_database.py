"""The name of a database: its password is in nothing that is made of it, and all its names lock as one."""

import os
import re
import sqlite3
from pathlib import Path
from urllib.parse import quote

import pytest
from conftest import Cli, Server
from hypothesis import given
from hypothesis import strategies as st
from vocabulary.conftest import Call

from corpus_backfill_plugin.agent.database import identity, is_same, lock_name, secrets, shown
from corpus_backfill_plugin.agent.redact import mask

MARK = "Zq9x"
PASSWORDS = st.text("aZ0/?@+:#&=%' \\;[]{}\"é", max_size=12).map(lambda text: f"{text}{MARK}{text[::-1]}")
TEMPLATES = (
    "postgresql://u:{}@h:5432/d", "postgresql+psycopg://u:{}@/d?host=/run", "postgres://:{}@[::1]/d",
    "postgresql://h/d?user=u&password={}", "postgresql://h/d?sslmode=require&pass%77ord={}&port=1",
    "host=h password={} dbname=d", "password = {} host=h", "mysql://u:{}@h/d;x=1", "u:p{}@h/d",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3DX%3BPWD%3D{}", "Server=h;Uid=u;Pwd={};", "jdbc:x://h/d;password={}",
    "sqlite+pysqlcipher://:{}@/d.db", " postgresql://u:{}@h/d ",
)  # fmt: skip


def libpq_quoted(value: str) -> str:
    return "'" + re.sub(r"([\\'])", r"\\\1", value) + "'"


@given(st.sampled_from(TEMPLATES), PASSWORDS, st.booleans())
def test_a_password_is_in_nothing_that_is_made_of_a_name(template: str, password: str, quoted: bool) -> None:  # noqa: FBT001
    url = template.format(libpq_quoted(password) if quoted else password)
    text = shown(url)
    made = (text, identity(text), lock_name(url, "/srv", {}), *(secret.shown_as for secret in secrets(url)))
    assert not [each for each in made if each and MARK in each]
    assert MARK not in mask(f"cannot connect to {url.strip()}: refused", secrets(url))


@given(PASSWORDS)
def test_a_password_alone_is_masked_as_its_program_reads_it(password: str) -> None:
    for url in (
        f"postgresql://u:{quote(password, safe='')}@h/d",
        f"host=h password={libpq_quoted(password)}",
    ):
        assert MARK not in mask(f"wrong password: {password}; {quote(password, safe='')}", secrets(url))


KEYS = st.sampled_from(["host", "dbname", "user", "options", "password"])


@given(st.dictionaries(KEYS, st.text("a '\\=", max_size=6)), st.randoms())
def test_the_order_and_quotes_of_a_dsn_make_no_difference(pairs: dict[str, str], order: object) -> None:
    words = [f"{key} = {libpq_quoted(value)}" for key, value in pairs.items()]
    first = shown(" ".join(words))
    order.shuffle(words)  # type: ignore[attr-defined]  # random.Random, of hypothesis
    assert identity(first) == identity(shown("\n".join(words)))
    assert shown(first) == first


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("sqlite:////home/a@b/my files/x.db", "sqlite:////home/a@b/my files/x.db"),
        ("mysql://u:geheim@[::1]:3306/d", "mysql://u:***@[::1]:3306/d"),
        ("postgresql://u:a+b:c@h1:1,h2:2/d?user=u&password=x", "postgresql://u:***@h1:1,h2:2/d?user=u&password=***"),
        ("password='a b' host=h", "password=*** host=h"),
        # What programs read in different ways, or nobody reads.
        *((url, "***") for url in (
            "postgresql://u:p@x@h/d", "postgresql://u:a/b@h/d", "postgresql://u:a?b@h/d", "corpus.db",
            "postgresql://u:a#b@h/d", "postgresql://u:secret/d", "postgresql://h:5432/d@x", "host=h pwd=x",
            "postgresql://h/d?password=a&b=c", "host= password=x", "host=h password='x",
        )),
    ],
)  # fmt: skip
def test_people_see_what_is_certain(url: str, text: str) -> None:
    assert shown(url) == text


def test_what_the_environment_fills_in_is_named() -> None:
    environ = {"PGHOST": "db", "PGPORT": "5433", "PGUSER": "u", "PGDATABASE": "x"}
    assert shown("postgresql:///d", environ) == "postgresql:///d PGHOST=db PGPORT=5433"
    assert identity("postgresql://u@/d PGHOST=db") == "postgresql:///d PGHOST=db"
    assert identity("user=u dbname=d PGHOST=db") == "dbname=d PGHOST=db"
    assert shown("postgresql://h:5432/d", environ) == "postgresql://h:5432/d"


SAME = (
    ("postgresql://u:p@h/d", "postgresql://v:q@h/d"),
    ("host=h user=u dbname=d", "dbname=d host=h"),
    ("postgresql://h/d?user=u&password=p&sslmode=x", "postgresql://h/d?sslmode=x"),
)
OTHER = (
    ("postgresql://h/d", "postgresql://h/d?service=staging"), ("postgresql:///d", "postgresql:///d?host=/a"),
    ("postgresql://h/d", "postgresql://h/d@x"), ("postgresql://h/d", "postgresql://h2/d"), ("***", "***"),
    ("postgresql://h/d", "postgresql://h/d?options=-csearch_path%3Dx"), ("sqlite:///a.db", "sqlite:////a.db"),
    ("postgresql://h/d", None), ("***", None), ("postgresql:///d", "postgresql:///d PGHOST=x"),
)  # fmt: skip


def test_all_but_user_and_password_is_a_difference() -> None:
    assert [pair for pair in SAME if not is_same(*pair)] == []
    assert [pair for pair in OTHER if is_same(*pair)] == []
    assert is_same(None, None)


def test_a_relative_file_is_another_one_on_another_server() -> None:
    assert identity("sqlite:///a.db", "/srv/one") != identity("sqlite:///a.db", "/srv/two")
    assert identity("sqlite:///a.db", "/srv/one") == identity("sqlite:////srv/one/a.db", "/srv/two")


ONE = (
    "postgresql://localhost/d", "postgres://127.0.0.1:5432/d", "postgresql+asyncpg://u:p@[::1]/d/", "postgresql:///d",
    "postgresql://LOCALHOST./d", "postgresql://%6Cocalhost/%64", "postgresql://%2Ftmp/d", "postgresql://127.1/d",
    "postgresql:///d?host=/var/run/postgresql", "postgresql:///?dbname=d&host=127.0.0.2", "postgresql://[::ffff:127.0.0.1]/d",
    "dbname=d", "host=/tmp dbname=d user=x", "dbname = 'd' hostaddr=127.0.0.1 port=05432", "postgresql://0.0.0.0/d",
    "postgresql://0x7f000001/d", f"postgresql://{os.uname().nodename}/d", "postgresql://[0:0:0:0:0:0:0:1]/d?sslmode=prefer",
    "host=localhost hostaddr=127.0.0.1 dbname=d", " postgresql://localhost/d ",
)  # fmt: skip


@pytest.mark.parametrize("url", ONE)
def test_all_names_of_one_database_lock_as_one(url: str) -> None:
    assert lock_name(url, "/srv", {}) == "postgresql local 5432 d"


def test_names_of_other_databases_lock_apart() -> None:
    urls = ("postgresql://h/d", "postgresql://h2/d", "postgresql://h:1/d", "postgresql://h/e", "mysql://h/d", "mysql://h:5432/d",
            "postgresql://10.0.0.1/d", "postgresql://[fe80::1]/d", "sqlite:///d")  # fmt: skip
    assert len({lock_name(url, "/srv", {}) for url in urls} - {None}) == len(urls)
    assert lock_name("mariadb+pymysql://H:3306/d", "/srv", {}) == lock_name(
        "mysql://h./d?unix_socket=", "/srv", {}
    )
    assert lock_name("postgresql://[fe80::1]/d", "", {}) == lock_name("postgresql://[FE80:0::1]/d", "", {})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://h/d?service=x", "service=x", "postgresql://h", "host=h", "postgresql://h1,h2/d",
        "oracle://h/d", "postgresql://h/d?host=k", "postgresql://h/d?dbname=e", "postgresql://u:a/b@h/d",
        "sqlite://", "sqlite:///:memory:", "sqlite:///file:x.db?uri=true", "sqlite:///a%20b.db", "corpus.db",
        "postgresql://[fe80::1%25lo]/d", "***", "postgresql://h/d?port=x", "postgresql://10.010.0.1/d",
        "postgresql://h:/d", "postgresql://hôst/d", "mysql://h/d?read_default_file=/x", "mssql://h/d",
    ],
)  # fmt: skip
def test_what_is_not_certain_locks_nothing_out_of_sight(url: str) -> None:
    assert lock_name(url, "/srv", {}) is None


@pytest.mark.parametrize("variable", ["PGHOST", "PGHOSTADDR", "PGSERVICE", "PGPORT"])
def test_a_name_that_the_environment_completes_is_not_certain(variable: str) -> None:
    assert lock_name("postgresql:///d", "/srv", {variable: "x"}) is None
    full = lock_name("postgresql://h:1/d", "/srv", {variable: "x"})
    assert (full is None) == (variable in {"PGHOSTADDR", "PGSERVICE"})


def test_a_file_of_sqlite_is_one_by_whatever_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    sqlite3.connect(tmp_path / "real" / "a.db").close()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "b.db").symlink_to("link/a.db")
    paths = ("real/a.db", f"{tmp_path}/link/a.db", "./link/../link//a.db", "b.db", f"//{tmp_path}/real/a.db")
    names = {lock_name(f"sqlite+aiosqlite:///{path}?timeout=5", str(tmp_path), {}) for path in paths}
    assert names == {f"sqlite {tmp_path}/real/a.db"}


@given(st.text(max_size=60))
def test_any_text_is_a_name(text: str) -> None:
    for form in ("{}", "postgresql://{}", "postgresql://u:{}@h/d", "host={}", "sqlite:///{}"):
        url = form.replace("{}", text)
        once = shown(url)
        assert shown(once) == once
        assert is_same(once, once) == (once != "***")
        if "\0" not in text:
            lock_name(url, "/srv", {})
        secrets(url)


# What comes of it in a run.


@pytest.mark.parametrize("url", ["host=h password=geheim dbname=d", "postgresql://u:x/geheim@h/d"])
def test_no_part_of_a_password_reaches_the_key_of_the_lock(url: str, call: Call) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}(\.[0-9a-f]{64})?", call("", "-d", url).request.lock_key or "")


def test_several_databases_or_none_are_not_certain(call: Call) -> None:
    spec = '[[option]]\nname = "from"\nsecret = "url"\npass-env = "FROM_URL"\n'
    one = call(spec, "-d", "postgresql://h/d").request.lock_key or ""
    assert "." in one
    for words in ((), ("-d", "postgresql://h/d", "--from", "postgresql://h/e")):
        assert call(spec, *words).request.lock_key == one.partition(".")[0]


WAITS = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[-2]).touch()
while not pathlib.Path(sys.argv[-1]).exists():
    time.sleep(0.01)
"""


@pytest.mark.parametrize(
    ("urls", "code"),
    [
        (("postgresql://localhost/d", "dbname=d host=127.0.0.1"), 75),
        (("postgresql://h/d", "service=d"), 75),
        (("service=d", "postgresql://h/d"), 75),
        (("", "postgresql://h/d"), 75),
        (("postgresql://h/d", "postgresql://h/e"), 0),
    ],
)
def test_two_runs_on_one_database_do_not_start(
    urls: tuple[str, str], code: int, server: Server, cli: Cli, tmp_path: Path
) -> None:
    words = '[[argument]]\nname = "begun"\n[[argument]]\nname = "gate"\n'
    server.spec("thing", f'script = "thing.py"\n{words}')
    server.script("thing.py", WAITS)
    env = {"CORPUS_SERVER_APP_PATH": str(server.folder)}
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    try:
        first = cli("thing", "--detach", str(begun), str(gate), env=env | {"DATABASE_URL": urls[0]})
        assert first.code == 0, first.stderr
        second = cli("thing", str(begun), "/", env=env | {"DATABASE_URL": urls[1]})
        assert second.code == code, second.stderr
        assert ("thing already runs" in second.stderr) == (code != 0)
        assert ("run 1 of" in second.stderr) == (code != 0)
    finally:
        gate.touch()
