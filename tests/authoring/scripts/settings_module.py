import argparse
from dataclasses import dataclass, fields


@dataclass
class Settings:
    """Each field becomes an option."""

    workers: int = 4
    rate: float = 1.5
    name: str = "default"


parser = argparse.ArgumentParser()
for field in fields(Settings):
    parser.add_argument(f"--{field.name}", type=field.type, default=field.default)
parser.add_argument("--check", action="store_true")
print(parser.parse_args())
