r"""What the name of a database says: a text for people, its identity, a key for the lock, its secrets.

A name is a URL or libpq's `key=value` text. Programs disagree about names that should have been escaped: in
`postgresql://u:a/b@h/d`, `h` is the host to some, `u` to others. What can be read in two ways is not read.
"""

from __future__ import annotations

import os
import re
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote, unquote_plus

from corpus_backfill_plugin.agent.redact import HIDDEN, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MIN_LONE_PASSWORD = 4
"""Shorter passwords are masked inside their URL only: masking each `abc` would eat the script's output."""

AMBIENT = ("DATABASE_URL", "PGPASSWORD", "MYSQL_PWD")
"""Variables that hold a database's password for whoever finds them in the environment."""

_HOST = r"(?:\[[^@/?#\[\]]*\]|[^:@/?#\[\],\s]*)(?::\d{1,5})?"
_URL = re.compile(
    r"(?P<head>[A-Za-z][A-Za-z0-9+.-]*://)(?:(?P<user>[^:@/?#]*)(?P<password>:[^@/?#]*)?@)?"
    rf"(?P<host>{_HOST}(?:,{_HOST})*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#;]*))?",
    re.DOTALL,
)
_PAIR = re.compile(
    r"\s*(?P<key>[a-z_]+)\s*=\s*(?P<raw>'(?:[^'\\]|\\.)*'|(?!')(?:[^\s\\]|\\.)*)\s*", re.DOTALL
)
_SECRET_WORD = r"(?:pass|pwd|pw|secret|token|cred|key)"  # noqa: S105  # nosec B105 - names of parameters
_SECRET_KEY = re.compile(_SECRET_WORD, re.IGNORECASE)
_ASSIGNED = re.compile(
    rf"(?P<key>{_SECRET_WORD}[\w-]{{0,40}}['\"]?\s*=\s*)(?=(?P<value>'(?:[^'\\]|\\.)*'|(?:[^\s\\]|\\.)*))",
    re.IGNORECASE | re.DOTALL,
)
_SUFFIX = re.compile(r"(?= (?:PG|MYSQL_)[A-Z_]+=)")
_USERS = {"user", "username", "uid"}
_LIBPQ = (
    " application_name channel_binding client_encoding connect_timeout dbname fallback_application_name "
    "gssdelegation gssencmode gsslib host hostaddr keepalives keepalives_count keepalives_idle "
    "keepalives_interval krbsrvname load_balance_hosts max_protocol_version min_protocol_version "
    "oauth_client_id oauth_client_secret oauth_issuer oauth_scope options passfile password port replication "
    "require_auth requirepeer requiressl scram_client_key scram_server_key service servicefile sslcert "
    "sslcertmode sslcompression sslcrl sslcrldir sslkey sslkeylogfile sslmode sslnegotiation sslpassword "
    "sslrootcert sslsni ssl_max_protocol_version ssl_min_protocol_version target_session_attrs "
    "tcp_user_timeout user "
)
"""Words that libpq knows. A text with others is not meant for it."""

_PORTS = {"postgresql": "5432", "mysql": "3306"}
_SAME_FAMILY = {"postgres": "postgresql", "mariadb": "mysql"}
_FROM_ELSEWHERE = {"service", "servicefile", "read_default_file", "read_default_group", "uri", "vfs"}
"""Parameters that leave to a file which database is meant."""

_FILLED_IN = {
    "postgresql": {
        "host": ("PGHOST", "PGHOSTADDR", "PGSERVICE"),
        "hostaddr": ("PGHOSTADDR", "PGSERVICE"),
        "port": ("PGPORT", "PGSERVICE"),
        "dbname": ("PGDATABASE", "PGSERVICE"),
    },
    "mysql": {"host": ("MYSQL_HOST", "MYSQL_UNIX_PORT"), "port": ("MYSQL_TCP_PORT",)},
}
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
        return _SAME_FAMILY.get(base, base or "postgresql")

    def parameters(self) -> Iterator[tuple[str, str]]:
        """Yield keys and values decoded."""
        for key, raw in self.pairs:
            yield (unquote_plus(key).lower(), unquote(raw or "")) if self.head else (key, _plain(raw or ""))

    def place(self) -> tuple[tuple[str, str], ...]:
        """Return host, port and database before the parameters, decoded."""
        host, _, port = self.host.rpartition(":") if re.search(r":\d*\Z", self.host) else (self.host, "", "")
        return ("host", unquote(host)), ("port", port), ("dbname", unquote(self.path))

    def text(self) -> str:
        pairs = [key if raw is None else f"{key}={raw}" for key, raw in self.pairs]
        if not self.head:
            return " ".join(pairs)
        login = "" if self.user is None else f"{self.user}{self.password or ''}@"
        return f"{self.head}{login}{self.host}{self.path}" + ("?" + "&".join(pairs) if pairs else "")


def shown(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Return a database's name with `***` for each password, or for all of it when that is not certain.

    Args:
        text: the name.
        environ: the script's environment; what client libraries take from it is named behind the URL.
    """
    name = _parse(text)
    if name is None:
        return HIDDEN
    pairs = [(key, raw if raw is None or not _SECRET_KEY.search(unquote_plus(key)) else HIDDEN)
             for key, raw in name.pairs]  # fmt: skip
    masked = name._replace(password=name.password and f":{HIDDEN}", pairs=pairs).text()
    filled = "".join(f" {key}={environ[key]}" for key in _filled_in(name, environ)) if environ else ""
    return masked + filled


def identity(shown_text: str | None, folder: str = "") -> str | None:
    """Return a name as of `shown` less user and passwords, a path of SQLite's absolute by `folder`."""
    url, *filled_in = _SUFFIX.split(shown_text or "", maxsplit=1)
    name = _parse(url)
    if name is None:
        return shown_text
    pairs = [
        (key, raw)
        for (key, raw), (plain, _) in zip(name.pairs, name.parameters(), strict=True)
        if plain not in _USERS and not _SECRET_KEY.search(plain)
    ]
    pairs.sort(key=lambda pair: pair[0])
    path = name.path
    if name.family == "sqlite" and len(path) > 1 and not path.startswith(("/file:", "/:memory:")):
        path = "/" + os.path.join(folder, path[1:])  # noqa: PTH118  a text; pathlib would change it
    return name._replace(user=None, password=None, path=path, pairs=pairs).text() + "".join(filled_in)


def is_same(one: str | None, other: str | None) -> bool:
    """Return whether two names as `shown` returns them are certain to be one database."""
    return HIDDEN not in (one, other) and identity(one) == identity(other)


def lock_name(text: str, folder: str, environ: Mapping[str, str]) -> str | None:
    """Return what all names of one database have in common; None where that is not certain.

    Names of hosts are compared as texts: an alias of a host, or a pooler before a database, is another one.

    Args:
        text: the name.
        folder: where the script runs, for SQLite's relative paths.
        environ: the script's environment.
    """
    name = _parse(text)
    if name is None or _FROM_ELSEWHERE & {key for key, _ in name.parameters()}:
        return None
    if name.family == "sqlite":
        return _file(name, folder)
    if name.family not in _PORTS or any(_filled_in(name, environ)):
        return None
    found = _place(name)
    if any(len(values) > 1 or None in values for values in found.values()) or not found["dbname"]:
        return None
    (host,), (port,) = found["host"] or {"local"}, found["port"] or {_PORTS[name.family]}
    return f"{name.family} {host} {port} {next(iter(found['dbname']))}"


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


def _passwords(name: _Name) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each password of a name as it is written, and what stands around it."""
    if name.password:
        yield name.password[1:], (":", "@")
    for key, raw in name.pairs:
        if raw and _SECRET_KEY.search(unquote_plus(key)):
            yield raw, (f"{key}=", "")


def _guessed(text: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield as `_passwords` whatever a program may take for a password, or print as a part of one."""
    for match in islice(_ASSIGNED.finditer(text), _MOST):
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
    url = _URL.fullmatch(text)
    name = _dsn(text) if url is None else _Name(
        url["head"], url["user"], url["password"], url["host"], url["path"] or "",
        [(k, v if eq else None) for k, eq, v in (p.partition("=") for p in _split(url["query"]))],
    )  # fmt: skip
    if name is None:
        return None
    rest = name.path + "?" + ((url and url["query"]) or "")
    if url and "@" in rest and (name.host or name.user is not None):
        return None  # a program that takes the last @ for the end of a password reads another host
    keys = [key for key, _ in name.parameters()]
    behind = dropwhile(lambda key: not _SECRET_KEY.search(key), keys)
    if url and not (all(keys) and all(f" {key} " in _LIBPQ for key in behind)):
        return None  # what follows a password in a query may be the rest of it, behind an & in it
    if url and name.family != "sqlite" and re.search(r"\s", text):
        return None
    plain = [unquote(name.host), unquote_plus(name.path), name.user or ""]
    plain += [value for key, value in name.parameters() if not _SECRET_KEY.search(key)]
    return None if any("://" in each or _ASSIGNED.search(each) for each in plain) else name


def _split(query: str | None) -> list[str]:
    return query.split("&") if query else []


def _dsn(text: str) -> _Name | None:
    pairs, at = [], 0
    while at < len(text):
        found = _PAIR.match(text, at)
        if found is None or f" {found['key']} " not in _LIBPQ:
            return None
        pairs.append((found["key"], _quoted(_plain(found["raw"]))))
        at = found.end()
    return _Name("", None, None, "", "", pairs) if pairs else None


def _plain(raw: str) -> str:
    """Return the value that libpq reads from `raw`."""
    return re.sub(r"\\(.)", r"\1", raw[1:-1] if raw.startswith("'") else raw, flags=re.DOTALL)


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[^\s'\\]+", value) else "'" + re.sub(r"([\\'])", r"\\\1", value) + "'"


def _forms(password: str) -> set[str]:
    """Return how programs may print a password that stands in a name as `password`."""
    how = "surrogateescape"
    plain = {password, _plain(password), *(f(password, errors=how) for f in (unquote, unquote_plus))}
    return plain | {quote(each, safe=safe, errors=how) for each in plain for safe in ("", " +")}


def _filled_in(name: _Name, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the variables by which the environment decides where a name leads."""
    named = {key for key, value in name.parameters() if value}
    named |= {_ALIASES.get(key, key) for key in named}
    named |= {key for key, value in name.place() if value.strip("/")}
    wanted = {
        variable: None
        for part, variables in _FILLED_IN.get(name.family, {}).items()
        if part not in named
        for variable in variables
    }
    return (variable for variable in wanted if environ.get(variable))


def _file(name: _Name, folder: str) -> str | None:
    path = name.path[1:]
    if (
        name.host
        or name.user is not None
        or not path
        or path.startswith(("file:", ":memory:"))
        or "%" in path
    ):
        return None
    return "sqlite " + os.path.realpath(os.path.join(folder, path))  # noqa: PTH118 - a text


def _place(name: _Name) -> dict[str, set[str | None]]:
    """Return all that a name says of host, port and database, each in its one form or None."""
    found: dict[str, set[str | None]] = {"host": set(), "port": set(), "dbname": set()}
    for key, value in (*name.place(), *name.parameters()):
        key = _ALIASES.get(key, key)  # noqa: PLW2901 - the same key by its first name
        if key == "dbname" and (plain := value.strip("/").lower()):
            found[key].add(None if "/" in plain else plain)
        elif key == "port" and value:
            found[key].add(value.lstrip("0") if value.isascii() and value.isdigit() else None)
        elif key == "host" and value:
            found[key].add(_host(value))
    return found


def _host(text: str) -> str | None:
    """Return the one form of a host's name, `local` for this machine; None where it is not certain."""
    import socket

    text = text.strip().lower().removeprefix("[").removesuffix("]").rstrip(".")
    own = os.uname().nodename.lower()
    if (
        text.startswith(("/", "@"))
        or text in (*_LOCAL, own, own.partition(".")[0])
        or text.endswith(".localhost")
    ):
        return "local"
    if re.fullmatch(r"(?:\d+\.)*0\d[\d.]*", text):
        return None  # octal to some, decimal to others
    try:
        packed = socket.inet_pton(socket.AF_INET6, text) if ":" in text else _ipv4(text)
    except (OSError, ValueError):
        packed = None
        if ":" in text:
            return None
    if packed is None:
        return text if re.fullmatch(r"[a-z0-9_][a-z0-9_.-]*", text) else None
    if packed.startswith(bytes(10) + b"\xff\xff") and len(packed) == 16:  # noqa: PLR2004 - IPv4 inside IPv6
        packed = packed[12:]
    here = packed[0] == 127 if len(packed) == 4 else packed == bytes(15) + b"\x01"  # noqa: PLR2004 - of IPv4
    return "local" if here or not any(packed) else packed.hex()


def _ipv4(text: str) -> bytes | None:
    import socket

    return socket.inet_aton(text) if re.fullmatch(r"\d[0-9a-fx.]*", text) else None
