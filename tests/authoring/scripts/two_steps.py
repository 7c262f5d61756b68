import argparse
import configparser


def main(argv=None):
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--config", metavar="FILE", help="read defaults from here")
    known, rest = first.parse_known_args(argv)
    defaults = {}
    if known.config:
        config = configparser.ConfigParser()
        config.read(known.config)
        defaults = dict(config.items("defaults"))
    parser = argparse.ArgumentParser(parents=[first])
    parser.set_defaults(**defaults)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--no-verify", dest="verify", action="store_false")
    return parser.parse_args(rest)


if __name__ == "__main__":
    main()
