import argparse as ap
import sys
from typing import Sequence

CODECS = {"opus": "libopus", "flac": "flac", "mp3": "libmp3lame"}
DEFAULT_CODEC = "opus"
BITRATES = tuple(f"{n}k" for n in (64, 96, 128))


def build_parser() -> ap.ArgumentParser:
    """The options."""
    parser = ap.ArgumentParser(
        description="Transcode audio " + "that is not yet " + DEFAULT_CODEC + ".",
        formatter_class=ap.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--codec", choices=sorted(CODECS), default=DEFAULT_CODEC, help=f"one of {', '.join(CODECS)}"
    )
    parser.add_argument("--bitrate", choices=BITRATES, default=BITRATES[1])
    parser.add_argument("--encoder", choices=list(CODECS.values()))
    parser.add_argument("--label", default="transcoded-%s" % DEFAULT_CODEC)
    parser.add_argument("--suffix", default=".{}".format(DEFAULT_CODEC))
    return parser


def run(options: ap.Namespace) -> int:
    print(options)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    return run(build_parser().parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
