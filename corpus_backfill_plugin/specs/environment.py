"""Variables that a spec may neither set nor read.

A spec chooses among the server's scripts and hands values to them. A variable that says which program,
library or code is run would let it choose more than that. The list is by families, each with its reason;
what is on none of them is the script's own business.
"""

from __future__ import annotations

import re

from corpus_backfill_plugin.specs.model import ENV_PATTERN
from corpus_backfill_plugin.text import quoted

DENIED_ENV = (
    ("PATH|CDPATH|PATHEXT|COMSPEC", "says where programs are found"),
    ("(LD|DYLD|_RLD|LIBPATH|SHLIB).*|GCONV_PATH|GLIBC_TUNABLES|LOCPATH|NLSPATH|MALLOC_.*",
     "makes the loader or the C library load or do other things"),
    ("PYTHON.*|__PYVENV_LAUNCHER__|VIRTUAL_ENV|CONDA_.*", "says which Python code and environment are used"),
    ("(UV|PIP|PIPX|POETRY|PDM)_.*", "says what is installed, and from where"),
    ("IFS|BASH.*|ENV|SHELL|SHELLOPTS|PS4|PROMPT_COMMAND|ZDOTDIR", "makes shells read or run other things"),
    ("(NODE|GEM|LUA|NPM_CONFIG)_.*|PERL.*|RUBY.*|PHPRC|PHP_INI_SCAN_DIR|CLASSPATH|.*JAVA.*_OPTIONS",
     "makes another language load code"),
    ("GTK_.*|QT_.*|GST_.*|GIO_.*|LADSPA_PATH|FREI0R_PATH", "makes a library load plugins"),
    ("(GIT|SSH|SUDO)_.*|EDITOR|VISUAL|PAGER|MANPAGER|BROWSER|LESSOPEN|LESSCLOSE|DISPLAY",
     "names a program that others start or ask"),
    ("SSL_CERT_.*|SSLKEYLOGFILE|OPENSSL_.*|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|CURL_HOME|KRB5.*",
     "decides whom an encrypted connection trusts"),
    ("([A-Z]+_)?PROXY", "sends connections through another machine"),
    ("HOME|USER|LOGNAME|(OLD)?PWD|TE?MP(DIR)?|XDG_.*|HOSTALIASES|RES_OPTIONS|TERMINFO.*",
     "moves the places where programs look for their settings"),
    ("CORPUS_BACKFILL_.*", "belongs to this program itself"),
)  # fmt: skip
"""Each family of denied variables: an expression for complete names in capitals, and what such ones do."""


def denial(name: str) -> str:
    """Return what makes the variable `name` a denied one, `says where programs are found`; else nothing."""
    # In any case: http_proxy is read as HTTP_PROXY is, and a look-alike serves nobody.
    upper = name.upper()
    return next((reason for family, reason in DENIED_ENV if re.fullmatch(family, upper)), "")


def variable_problem(name: str) -> str:
    """Return why `name` can't be a variable of a spec; nothing when it can."""
    if not re.search(ENV_PATTERN, name):
        return f"{quoted(name)} is not the name of an environment variable"
    reason = denial(name)
    return f"{name} is not for specs, it {reason}" if reason else ""
