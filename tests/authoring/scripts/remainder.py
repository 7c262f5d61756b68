import argparse

p = argparse.ArgumentParser(description="Run a command for each record.")
p.add_argument("--jobs", "-j", type=int, default=1)
p.add_argument("command", nargs=argparse.REMAINDER)
print(p.parse_args())
