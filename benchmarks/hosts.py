"""What a host pays for having the plugin installed."""

from __future__ import annotations

import os
import re

from benchmarks.measure import ENTRY_POINT, ROOT, Bench, minima, observe, python_module
from benchmarks.table import Table, milliseconds, ratio

# Title and program of the guide for host authors.
LAZY = {"Click, lazy": "lazy_click_host", "Typer, lazy": "typer_lazy_host"}
EAGER = {
    "Click, click-plugins": "click_host",
    "Typer, get_command": "typer_added_host",
    "rich-click": "rich_click_host",
    "cloup": "cloup_host",
}
WITH, WITHOUT = "hosts.with", "hosts.without"
GUIDE = ROOT / "docs" / "host-integration.md"


def environment(bench: Bench, group: str) -> dict[str, str]:
    """Return the environment of the programs whose entry-point group has the plugin in it, or nothing."""
    folder = bench.folder / group
    if not folder.exists():
        info = folder / "hosts_backfill-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hosts-backfill\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{WITH}]\nbackfill = {ENTRY_POINT}\n")
        for name, text in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", GUIDE.read_text(), re.DOTALL):
            (folder / name).write_text(text.replace("corpus_client_cli.plugins", group))
    return {**bench.environ, "PYTHONPATH": os.pathsep.join(map(str, (folder, ROOT)))}


def _programs(bench: Bench, module: str, word: str, rounds: int) -> tuple[float, float]:
    """Return the shortest times without and with the plugin."""
    found = minima(
        {
            group: python_module(module, word, environ=environment(bench, group)).processor_seconds
            for group in (WITHOUT, WITH)
        },
        rounds,
    )
    return found[WITHOUT], found[WITH]


def help_times(bench: Bench) -> Table:
    """Measure each kind of host with and without the plugin."""
    rows = []
    for title, module in (LAZY | EAGER).items():
        bare, with_plugin = _programs(bench, module, "--help", bench.size(40, 3))
        own, own_with = _programs(bench, module, "own", bench.size(15, 3))
        rows.append(
            (
                title,
                ratio(with_plugin, bare),
                milliseconds(with_plugin - bare),
                milliseconds(bare),
                ratio(own_with, own),
                milliseconds(own_with - own),
            )
        )
    return Table(
        "Hosts with and without the plugin",
        f"Processor time, the least of {bench.size(40, 3)} runs each of `--help` and {bench.size(15, 3)} of"
        " an own command, in turns. A lazy host's `--help` loads the plugin to show its line; its own"
        " commands do not. From 0.26 on Typer brings no click with it: what its hosts pay is the import of"
        " click. A lazy Click host pays for click-plugins as well.",
        ("host", "`--help`", "ms more", "ms without", "an own command", "ms more"),
        tuple(rows),
    )


def counts(bench: Bench) -> Table:
    """Count what each kind of host imports and opens for the plugin."""
    rows = []
    for title, module in (LAZY | EAGER).items():
        for word in ("--help", "own"):
            without, with_plugin = (
                observe(python_module(module, word, environ=environment(bench, group)))
                for group in (WITHOUT, WITH)
            )
            added = with_plugin.modules - without.modules
            ours = {name for name in added if name.partition(".")[0] == "corpus_backfill_plugin"}
            click = {name for name in added if name.partition(".")[0] == "click"}
            rows.append(
                (
                    f"{title}: `{word}`",
                    str(len(ours)),
                    str(len(click)),
                    str(len(added - ours - click)),
                    str(len(with_plugin.specs)),
                )
            )
    return Table(
        "What a host's start-up imports and opens for the plugin",
        "Modules that the same host does not have without it. Where click is added it brings what it needs"
        " itself, which is the third column then.",
        ("host", "of ours", "of click", "others", "specs opened"),
        tuple(rows),
    )
