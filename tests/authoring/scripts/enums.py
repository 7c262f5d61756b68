import argparse
import enum
from enum import Enum


class Tier(str, Enum):
    HOT = "hot"
    COLD = "cold"


class Priority(enum.IntEnum):
    LOW = 1
    HIGH = 2


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tier", choices=[t.value for t in Tier], default=Tier.HOT.value)
    parser.add_argument("--to", type=Tier, choices=list(Tier), default=Tier.COLD)
    parser.add_argument("--from", dest="source", type=Tier)
    parser.add_argument("--priority", choices=[p.name.lower() for p in Priority], default="low")
    parser.add_argument("--rank", type=int, choices=[int(p.value) for p in Priority])
    parser.add_argument("--by-name", type=lambda s: Priority[s], choices=list(Priority))
    print(parser.parse_args())


if __name__ == "__main__":
    main()
