r"""What the name of a database says: a text for people, its identity, a key for the lock, its secrets.

A name is a URL or libpq's `key=value` text. Programs disagree about names that should have been escaped: in
`postgresql://u:a/b@h/d`, `h` is the host to some, `u` to others. What can be read in two ways is not read.
"""

from __future__ import annotations

import hashlib
import os
import re
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote, unquote_plus

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.redact import AMBIENT, HIDDEN, Secret

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

MIN_LONE_PASSWORD = 4
"""Shorter passwords are masked inside their URL only: masking each `abc` would eat the script's output."""

# Texts, not compiled: most commands name no database.
_HOST = r"(?:\[[^@/?#\[\]]*\]|[^:@/?#\[\],\s]*)(?::\d{1,5})?"
_URL = (
    r"(?s)(?P<head>[A-Za-z][A-Za-z0-9+.-]*://)(?:(?P<user>[^:@/?#]*)(?P<password>:[^@/?#]*)?@)?"
    rf"(?P<host>{_HOST}(?:,{_HOST})*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#;]*))?"
)
_QUOTED, _BARE = r"'(?:[^'\\]|\\.)*'", r"(?:[^\s\\]|\\.)*"
_PAIR = rf"(?s)\s*(?P<key>[a-z_]+)\s*=\s*(?P<raw>{_QUOTED}|(?!'){_BARE})\s*"
_SECRET_KEY = r"(?:pass|pwd|pw|secret|token|cred|key)"  # noqa: S105  # nosec B105 - names of parameters
_ASSIGNED = rf"(?si)(?P<key>{_SECRET_KEY}[\w-]{{0,40}}['\"]?\s*=\s*)(?=(?P<value>{_QUOTED}|{_BARE}))"
_LIBPQ = (
    " application_name channel_binding client_encoding connect_timeout dbname gssencmode host hostaddr "
    "keepalives keepalives_count keepalives_idle keepalives_interval options passfile password port "
    "replication service servicefile sslcert sslcompression sslcrl sslkey sslmode sslpassword sslrootcert "
    "target_session_attrs user "
)
"""Words that libpq knows and people use. A text with others is not read."""

_USERS = {"user", "username", "uid"}
_PORTS = {"postgresql": "5432", "mysql": "3306"}
_SAME_FAMILY = {"": "postgresql", "postgres": "postgresql", "mariadb": "mysql"}
_FROM_ELSEWHERE = {"service", "servicefile", "read_default_file", "read_default_group", "uri", "vfs"}
"""Parameters that leave to a file which database is meant."""

_FILLED_IN = {
    "postgresql": {
        "host": ("PGHOST", "PGHOSTADDR", "PGSERVICE"), "hostaddr": ("PGHOSTADDR", "PGSERVICE"),
        "port": ("PGPORT", "PGSERVICE"), "dbname": ("PGDATABASE", "PGSERVICE"),
    },
    "mysql": {"host": ("MYSQL_HOST", "MYSQL_UNIX_PORT"), "port": ("MYSQL_TCP_PORT",)},
}  # fmt: skip
"""Variables that client libraries take for what a name does not say."""

_ALIASES = {"hostaddr": "host", "unix_socket": "host", "database": "dbname", "db": "dbname"}
_MOST = 20
"""Parts of a text that can't be read which are taken for passwords; no such text is longer by mistake."""

_LOCAL = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


class _Name(NamedTuple):
    """A name that can be read in one way only; a `key=value` text has no `head`, pairs are as written."""

    head: str
    user: str | None
    password: str | None
    host: str
    path: str
    pairs: Sequence[tuple[str, str | None]]

    @property
    def family(self) -> str:
        base = self.head.partition(":")[0].partition("+")[0].lower()
        return _SAME_FAMILY.get(base, base)

    def parameters(self) -> Iterator[tuple[str, str]]:
        """Yield keys and values decoded."""
        for key, raw in self.pairs:
            yield (unquote_plus(key).lower(), unquote(raw or "")) if self.head else (key, _plain(raw or ""))

    def place(self) -> Iterator[tuple[str, str]]:
        """Yield what it says of host, port and database, decoded: before its parameters, and in them."""
        host, _, port = self.host.rpartition(":") if re.search(r":\d*\Z", self.host) else (self.host, "", "")
        yield from (("host", unquote(host)), ("port", port), ("dbname", unquote(self.path)))
        yield from self.parameters()

    def text(self) -> str:
        pairs = [key if raw is None else f"{key}={raw}" for key, raw in self.pairs]
        if not self.head:
            return " ".join(pairs)
        login = "" if self.user is None else f"{self.user}{self.password or ''}@"
        return f"{self.head}{login}{self.host}{self.path}" + ("?" + "&".join(pairs) if pairs else "")


def shown(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Return a database's name with `***` for each password, or for all of it when that is not certain.

    What client libraries take from `environ`, the script's environment, is named behind the URL.
    """
    name = _parse(text)
    if name is None:
        return HIDDEN
    pairs = [(key, HIDDEN if raw is not None and _is_secret(key) else raw) for key, raw in name.pairs]
    masked = name._replace(password=name.password and f":{HIDDEN}", pairs=pairs).text()
    return masked + "".join(f" {key}={value}" for key, value in _filled_in(name, environ or {}))


def identity(shown_text: str | None, folder: str = "") -> str | None:
    """Return a name as of `shown` less user and passwords, a path of SQLite's absolute by `folder`."""
    url, *filled_in = re.split(r"(?= (?:PG|MYSQL_)[A-Z_]+=)", shown_text or "", maxsplit=1)
    name = _parse(url)
    if name is None:
        return shown_text
    pairs = zip(name.pairs, name.parameters(), strict=True)
    kept = [pair for pair, (key, _) in pairs if key not in _USERS and not _is_secret(key)]
    kept.sort(key=lambda pair: pair[0])
    path = name.path
    if name.family == "sqlite" and len(path) > 1 and not path.startswith(("/file:", "/:memory:")):
        path = "/" + os.path.join(folder, path[1:])  # noqa: PTH118  a text; pathlib would change it
    return name._replace(user=None, password=None, path=path, pairs=kept).text() + "".join(filled_in)


def is_same(one: str | None, other: str | None) -> bool:
    """Return whether two names as `shown` returns them are certain to be one database."""
    return HIDDEN not in (one, other) and identity(one) == identity(other)


def lock_name(text: str, folder: str, environ: Mapping[str, str]) -> str | None:
    """Return what all names of one database have in common; None where that is not certain.

    Names of hosts are compared as texts: an alias of a host, or a pooler before a database, is another one.
    """
    name = _parse(text)
    if name is None or _FROM_ELSEWHERE & {key for key, _ in name.parameters()}:
        return None
    if name.family == "sqlite":
        path = name.path[1:]
        if name.host or name.user is not None or not path or re.match("file:|:memory:", path) or "%" in path:
            return None
        return "sqlite " + os.path.realpath(os.path.join(folder, path))  # noqa: PTH118 - a text
    if name.family not in _PORTS or any(_filled_in(name, environ)):
        return None
    found: dict[str, set[str | None]] = {"host": set(), "port": set(), "dbname": set()}
    for key, value in name.place():
        key = _ALIASES.get(key, key)  # noqa: PLW2901 - the same key by its first name
        if key == "dbname" and (plain := value.strip("/").lower()):
            found[key].add(None if "/" in plain else plain)
        elif key == "port" and value:
            found[key].add(value.lstrip("0") if value.isascii() and value.isdigit() else None)
        elif key == "host" and value:
            found[key].add(_host(value))
    if any(len(values) > 1 or None in values for values in found.values()) or not found["dbname"]:
        return None
    (host,), (port,) = found["host"] or {"local"}, found["port"] or {_PORTS[name.family]}
    return f"{name.family} {host} {port} {next(iter(found['dbname']))}"


def lock_key(command: str, server: Path, databases: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return what runs have in common to exclude one another, hashed: a name of a database may hold a secret.

    It has one part for command and server, and another for the database if that is certain; see `exclusion`.
    """
    base = f"{command}\n{server.resolve()}"
    known = lock_name(databases[0], str(server), environ) if len(databases) == 1 else None
    parts = (base,) if known is None else (base, f"{base}\n{known}")
    return ".".join(hashlib.sha256(os.fsencode(part)).hexdigest() for part in parts)


def secrets_around(
    names: Iterable[str], urls: Collection[str], environ: Mapping[str, str]
) -> Iterator[Secret]:
    """Yield the secrets in variables of a script's environment; those of `urls` name databases."""
    for name in names:
        value = environ.get(name, "")
        if value != value.encode(errors="replace").decode():
            raise AgentError(f"the value of {name} is not UTF-8 text", "Write it in UTF-8, or unset it.")
        if name in urls or name == "DATABASE_URL":
            yield from secrets(value)
        elif len(value) >= (MIN_LONE_PASSWORD if name in AMBIENT else 1):
            yield Secret(value=value)


def secrets(text: str) -> tuple[Secret, ...]:
    """Return what must be masked where a name could be seen: itself, and what is or may be a password."""
    text = text.strip()
    name = _parse(text)
    found = dict(_passwords(name) if name else (*_guessed(text), *_guessed(unquote_plus(text))))
    found.pop("", None)
    if (name is not None and not found) or len(text) < MIN_LONE_PASSWORD:
        return ()
    alone = {form for password in found for form in _forms(password) if len(form) >= MIN_LONE_PASSWORD}
    inside = [(part, *around) for part, around in sorted(found.items()) if len(part) < MIN_LONE_PASSWORD]
    return (
        Secret(value=text, shown_as=shown(text)),
        *(Secret(value=f"{a}{part}{z}", shown_as=f"{a}{HIDDEN}{z}") for part, a, z in inside),
        *(Secret(value=form) for form in sorted(alone - {text})),
    )


def _is_secret(key: str) -> bool:
    return re.search(_SECRET_KEY, unquote_plus(key), re.IGNORECASE) is not None


def _passwords(name: _Name) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each password of a name as it is written, and what stands around it."""
    if name.password:
        yield name.password[1:], (":", "@")
    for key, raw in name.pairs:
        if raw and _is_secret(key):
            yield raw, (f"{key}=", "")


def _guessed(text: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield as `_passwords` whatever a program may take for a password, or print as a part of one."""
    for match in islice(re.finditer(_ASSIGNED, text), _MOST):
        found = match["value"]
        for value in (found, found.strip("\"'{};"), *re.split("[&;#]", found)[:_MOST]):
            yield value, (match["key"], "")
    start = re.search(r"://[^:@/?#]*:", text)
    rest = text[start.end() :] if start else ""
    login = rest.rpartition("@")[0] or re.split("[/?#]", rest)[0]
    beginnings = [login[: at.start()] for at in re.finditer("@", login)][:_MOST]
    for part in (login, *re.split("[@/?#:&]", login)[:_MOST], *beginnings):
        yield part, (":", "@")


def _parse(text: str) -> _Name | None:
    """Return what `text` says; None if it can be read in several ways, or a password may hide in it."""
    text = text.strip()
    url = re.fullmatch(_URL, text)
    query = url["query"] or "" if url else ""
    name = None if url else _dsn(text)
    if url:
        parts = (part.partition("=") for part in query.split("&") if query)
        pairs = [(key, value if equals else None) for key, equals, value in parts]
        name = _Name(url["head"], url["user"], url["password"], url["host"], url["path"] or "", pairs)
    if name is None:
        return None
    keys = [key for key, _ in name.parameters()]
    behind = dropwhile(lambda key: not _is_secret(key), keys)
    if url and (
        # A program that takes the last @ for the end of a password reads another host.
        ("@" in f"{name.path}?{query}" and (name.host or name.user is not None))
        # What follows a password in a query may be the rest of it, behind an & in it.
        or not (all(keys) and all(f" {key} " in _LIBPQ for key in behind))
        or (name.family != "sqlite" and re.search(r"\s", text))
    ):
        return None
    plain = [unquote(name.host), unquote_plus(name.path), name.user or ""]
    plain += [value for key, value in name.parameters() if not _is_secret(key)]
    return None if any("://" in each or re.search(_ASSIGNED, each) for each in plain) else name


def _dsn(text: str) -> _Name | None:
    pairs, at = [], 0
    while at < len(text):
        found = re.compile(_PAIR).match(text, at)
        if found is None or f" {found['key']} " not in _LIBPQ:
            return None
        value = _plain(found["raw"])
        is_word = re.fullmatch(r"[^\s'\\]+", value)
        pairs.append((found["key"], value if is_word else "'" + re.sub(r"([\\'])", r"\\\1", value) + "'"))
        at = found.end()
    return _Name("", None, None, "", "", pairs) if pairs else None


def _plain(raw: str) -> str:
    """Return the value that libpq reads from `raw`."""
    return re.sub(r"(?s)\\(.)", r"\1", raw[1:-1] if raw.startswith("'") else raw)


def _forms(password: str) -> set[str]:
    """Return how programs may print a password that stands in a name as `password`."""
    how = "surrogateescape"
    plain = {password, _plain(password), *(f(password, errors=how) for f in (unquote, unquote_plus))}
    return plain | {quote(each, safe=safe, errors=how) for each in plain for safe in ("", " +")}


def _filled_in(name: _Name, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the variables by which the environment decides where a name leads, with their values."""
    named = {key for key, value in name.place() if (value.strip("/") if key == "dbname" else value)}
    named |= {_ALIASES.get(key, key) for key in named}
    parts = _FILLED_IN.get(name.family, {})
    wanted = dict.fromkeys(variable for part in parts if part not in named for variable in parts[part])
    return ((variable, environ[variable]) for variable in wanted if environ.get(variable))


def _host(text: str) -> str | None:
    """Return the one form of a host's name, `local` for this machine; None where it is not certain."""
    import socket
    from ipaddress import ip_address

    text = text.strip().lower().removeprefix("[").removesuffix("]").rstrip(".")
    own = os.uname().nodename.lower()
    is_local = text in (*_LOCAL, own, own.partition(".")[0]) or text.endswith(".localhost")
    if is_local or text.startswith(("/", "@")):
        return "local"
    is_octal = re.fullmatch(r"(?:\d+\.)*0\d[\d.]*", text)  # to some; decimal to others
    if is_octal or not re.fullmatch(r"[a-z0-9_:][a-z0-9_.:-]*", text):
        return None
    try:
        found = ip_address(socket.inet_pton(socket.AF_INET6, text) if ":" in text else socket.inet_aton(text))
    except OSError:
        return None if ":" in text else text
    address = getattr(found, "ipv4_mapped", None) or found
    return "local" if address.is_loopback or address.is_unspecified else address.packed.hex()
