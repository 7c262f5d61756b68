import argparse
import contextlib
import functools
import sys


def timed(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def _parse(argv):
    with contextlib.suppress(KeyError):
        parser = argparse.ArgumentParser(description="Check links.")
        parser.add_argument("--depth", type=int, default=2, choices=[1, 2, 3])
        parser.add_argument("--user", default="nobody")
        parser.add_argument("--headers", nargs="+", default=("Accept",))
    return parser.parse_args(argv)


@timed
def main(argv=None):
    if argv is None:
        argv = sys.argv[1:]
    return 0 if _parse(argv) else 1


if __name__ == "__main__":
    sys.exit(main())
