"""Questions at the terminal, where perhaps nobody is there to answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from appliance.cli import REFUSED


class Unanswered(click.ClickException):
    """The terminal was closed, or there never was one: nobody answers. Nothing that is measured can mend that."""

    exit_code = REFUSED

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence, on a line after the question's."""
        click.echo(f"\n{self.message}", file=file, err=file is None)


@contextmanager
def said_what_stands(stands: str) -> Iterator[None]:
    """Raise Unanswered, with a sentence that says what stands and how to go on, where nobody answers within.

    Ctrl-C stays what it is.
    """
    try:
        yield
    except click.Abort as abort:
        if not isinstance(abort.__context__, EOFError):
            raise
        raise Unanswered(f"Nobody is there to answer. {stands}") from abort
