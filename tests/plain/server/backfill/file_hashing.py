import argparse
import hashlib
import os
import sqlite3
import sys

p = argparse.ArgumentParser(description="Hash the files of recordings that have no hash yet.")
p.add_argument("--algorithm", default="sha256", choices=("md5", "sha1", "sha256", "sha512"))
p.add_argument("--dry-run", action="store_true", help="only say what would be hashed")
p.add_argument("--limit", type=int, default=0, help="0 is all of them")
opts = p.parse_args()

con = sqlite3.connect(os.environ["DATABASE_URL"].removeprefix("sqlite:///"))
todo = con.execute("SELECT id, path FROM recordings WHERE file_hash IS NULL ORDER BY id").fetchall()
errors = 0
for key, path in todo[: opts.limit or None]:
    if opts.dry_run:
        print("would hash", path)
        continue
    try:
        with open(path, "rb") as f:
            digest = hashlib.file_digest(f, opts.algorithm).hexdigest()
    except OSError as e:
        print("cannot hash", path, e.strerror)
        errors += 1
        continue
    con.execute("UPDATE recordings SET file_hash = ?, hash_algorithm = ? WHERE id = ?", (digest, opts.algorithm, key))
    con.commit()
    print(digest[:12], path)
sys.exit(errors > 0)
