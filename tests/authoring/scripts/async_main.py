import argparse
import asyncio


async def main() -> None:
    """Crawl."""
    parser = argparse.ArgumentParser(description="Fetch pages that were never fetched.")
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--user-agent", default="corpus/1.0 (+https://example.org)")
    parser.add_argument("--timeout", type=float, default=10.0)
    parser.add_argument("urls", nargs="*")
    args = parser.parse_args()
    await asyncio.sleep(0)
    print(args)


if __name__ == "__main__":
    asyncio.run(main())
