#!/bin/sh
# An operator's day in three minutes: a server app, a CLI with the plugin beside it, a corpus with holes,
# and the four backfills that fill them. May be run again at any time; each time it starts from the holes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work="$here/.demo"
client="$here/corpus-client/.venv"
mkdir -p "$work"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() {
    printf '\n\033[32m$ %s\033[0m\n' "$*"
    "$@"
}

say "1. Two environments: the CLI with the plugin in one, the server app in its own"
[ -x "$client/bin/python" ] || "$UV" venv --quiet "$client"
"$UV" pip install --quiet --python "$client/bin/python" "$here/corpus-client" --editable "$here/.." uv
(cd "$here/corpus-server-app" && "$UV" sync --quiet)
PATH="$client/bin:$PATH"

# What an operator has in the environment; the server app is found by itself, as it lies beside the CLI.
DATABASE_URL="sqlite:///$work/corpus.db"
CORPUS_BACKFILL_STATE="$work/state"
export PATH DATABASE_URL CORPUS_BACKFILL_STATE
unset CORPUS_SERVER_APP_PATH CORPUS_BACKFILL_PYTHON CORPUS_BACKFILL_SPECS VIRTUAL_ENV

say "2. A corpus of real media, with nothing measured yet"
(cd "$here/corpus-server-app" && uv run --quiet python make_corpus.py --records "${RECORDS:-120}" --media "$work/media" --clean)

say "3. What is there, and what is missing"
run corpus-client stats
run corpus-client records list --limit 8
run corpus-client backfill --help

say "4. Look before you leap: nothing is written"
run corpus-client backfill duration --dry-run --limit 5
run corpus-client backfill duration --show-command

say "5. The four backfills"
run corpus-client backfill duration
run corpus-client backfill file-hash
run corpus-client backfill snr
run corpus-client backfill version-0

say "6. After"
run corpus-client stats
run corpus-client records list --limit 8
run corpus-client backfill runs --limit 6
run corpus-client backfill status

say "What to type next"
cat <<NEXT
  export PATH="$client/bin:\$PATH" DATABASE_URL="$DATABASE_URL" CORPUS_BACKFILL_STATE="$CORPUS_BACKFILL_STATE"
  corpus-client backfill duration --help      # options of one backfill
  corpus-client backfill runs show            # the latest run, with everything that is known of it
  corpus-client backfill duration --detach    # runs on without a terminal; see: backfill runs attach
  corpus-client backfill specs list           # where each command comes from
  corpus-client backfill doctor               # is everything in order on this machine?
NEXT
