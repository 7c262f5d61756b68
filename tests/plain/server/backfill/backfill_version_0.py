"""Write version 0 of every recording that has no version."""

import json
import os
import sqlite3
from argparse import ArgumentParser

MISSING = "SELECT * FROM recordings WHERE id NOT IN (SELECT recording_id FROM recording_versions) ORDER BY id"


def parse_args():
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--limit", type=int)
    return parser.parse_args()


def main():
    args = parse_args()
    db = sqlite3.connect(os.environ["DATABASE_URL"].removeprefix("sqlite:///"))
    db.row_factory = sqlite3.Row
    with db:
        rows = db.execute(MISSING).fetchall()[: args.limit]
        for row in rows:
            print("version 0 of recording", row["id"])
            if not args.dry_run:
                db.execute(
                    "INSERT INTO recording_versions VALUES (?, 0, ?)", (row["id"], json.dumps(dict(row)))
                )
    print(f"{len(rows)} recordings done")


if __name__ == "__main__":
    main()
