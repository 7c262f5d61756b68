import argparse
import datetime as dt
import re
import uuid
from datetime import datetime


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def size(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([kMG]?)", text).groups()
    return int(number) * {"": 1, "k": 1024, "M": 1024**2, "G": 1024**3}[unit]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=positive, default=2)
    parser.add_argument("--chunk", type=size, default="4M", help="like 512k or 4M (default: %(default)s)")
    parser.add_argument("--since", type=dt.date.fromisoformat)
    parser.add_argument("--until", type=datetime.fromisoformat)
    parser.add_argument("--run-id", type=uuid.UUID)
    parser.add_argument("--tags", type=lambda text: text.split(","), default="a,b")
    parser.add_argument("--level", type=str.lower, choices=["low", "high"], default="low")
    print(parser.parse_args())


if __name__ == "__main__":
    main()
