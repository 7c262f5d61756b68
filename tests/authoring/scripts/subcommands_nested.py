import argparse


def add_export(subparsers):
    export = subparsers.add_parser("export")
    kinds = export.add_subparsers(dest="kind", required=True)
    csv = kinds.add_parser("csv", help="as comma separated values")
    csv.add_argument("--delimiter", default=",")
    csv.add_argument("target")
    json_ = kinds.add_parser("json", help="as JSON lines")
    json_.add_argument("--indent", type=int)


def add_import(subparsers):
    p = subparsers.add_parser("import", help="read records back")
    p.add_argument("files", nargs="+", help="what export wrote")
    p.add_argument("--skip-errors", action="store_true")


def cli():
    parser = argparse.ArgumentParser()
    sub = parser.add_subparsers(dest="action")
    for add in (add_export, add_import):
        add(sub)
    parser.parse_args()


cli()
