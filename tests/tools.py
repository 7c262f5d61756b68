"""What tests of several folders do in the same way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until `condition` holds.

    Raises:
        TimeoutError: it did not.
    """
    late = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > late:
            raise TimeoutError
        time.sleep(0.01)
