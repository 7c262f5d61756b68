import argparse


class KeyValue(argparse.Action):
    """key=value pairs into a dictionary."""

    def __call__(self, parser, namespace, values, option_string=None):
        store = getattr(namespace, self.dest) or {}
        for pair in values:
            key, _, value = pair.partition("=")
            store[key] = value
        setattr(namespace, self.dest, store)


class Once(argparse.Action):
    def __init__(self, option_strings, dest, **kwargs):
        super().__init__(option_strings, dest, nargs=0, **kwargs)

    def __call__(self, parser, namespace, values, option_string=None):
        setattr(namespace, self.dest, True)


parser = argparse.ArgumentParser(description="Set attributes.")
parser.add_argument("--set", nargs="+", action=KeyValue, metavar="KEY=VALUE")
parser.add_argument("--once", action=Once, help="stop after one")
parser.add_argument("--collection", default="all")
args = parser.parse_args()
