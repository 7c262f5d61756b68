import argparse
import multiprocessing
import os
from os import environ, getenv

BUCKET = os.environ.get("CORPUS_BUCKET", "media")


def main():
    parser = argparse.ArgumentParser(description="Upload what is only on disk.")
    parser.add_argument("--database-url", default=os.environ.get("DATABASE_URL"), help="database to use")
    parser.add_argument("--bucket", default=BUCKET, help="default: %(default)s")
    parser.add_argument("--region", default=getenv("AWS_REGION") or "eu-central-1")
    parser.add_argument("--workers", type=int, default=int(os.getenv("WORKERS", "4")))
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--endpoint", default=environ["ENDPOINT"] if "ENDPOINT" in environ else None)
    parser.add_argument("--retries", type=int, default=3)
    print(parser.parse_args())


if __name__ == "__main__":
    main()
