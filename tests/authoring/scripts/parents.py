import argparse

connection = argparse.ArgumentParser(add_help=False)
connection.add_argument("--database-url", help="where to work; default $DATABASE_URL")
connection.add_argument("--timeout", type=float, default=30.0)

paging = argparse.ArgumentParser(add_help=False)
paging.add_argument("--limit", type=int, metavar="N")
paging.add_argument("--offset", type=int, default=0)


def main():
    parser = argparse.ArgumentParser(description="Fill in checksums.", parents=[connection, paging])
    parser.add_argument("--algorithm", default="sha256", choices=["md5", "sha256"])
    args = parser.parse_args()
    print(args)


if __name__ == "__main__":
    main()
