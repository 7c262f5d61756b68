import argparse
import logging


def add_common(parser, *, workers=4):
    parser.add_argument(
        "--workers", "-w", type=int, default=workers, help="at the same time (default %(default)s)"
    )
    parser.add_argument("--log-level", choices=["DEBUG", "INFO", "WARNING"], default="INFO", type=str.upper)
    return parser


def option(group, name, **kwargs):
    kwargs.setdefault("type", int)
    group.add_argument("--" + name.replace("_", "-"), dest=name, **kwargs)


def main():
    parser = add_common(argparse.ArgumentParser(description="Merge duplicates."), workers=2)
    limits = parser.add_argument_group("limits")
    option(limits, "max_size", default=1 << 20)
    option(limits, "max_age", default=90, help="in days")
    args = parser.parse_args()
    logging.basicConfig(level=args.log_level)


if __name__ == "__main__":
    main()
