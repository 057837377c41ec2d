"""`python -m playground`: the demo, and the services with a shop to play with."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from lakehouse.console import run, say
from playground.shop.commands import app as shop

app = typer.Typer(
    name="playground",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Everything that only exists to run the pipeline on one machine.",
)
app.add_typer(shop, name="shop")

Directory = Annotated[Path, typer.Option(help="Where the services keep data and logs.")]
DIRECTORY = Path("data/services")
Rate = Annotated[int, typer.Option(min=1, help="Row changes a second that the shop makes.")]

ByHand = Annotated[
    bool,
    typer.Option("--by-hand", help="Without `lakehouse land` and `lakehouse run`: you do that."),
]


@app.command()
def demo(
    directory: Annotated[
        Path, typer.Option(help="Where results and logs go; emptied first.")
    ] = Path("data/demo"),
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of activity after the first.")] = 3,
    changes: Annotated[int, typer.Option(min=1, help="Row changes per round.")] = 2_500,
    seed: Annotated[int, typer.Option(help="The same seed makes the same transactions.")] = 1,
) -> None:
    """Run the whole pipeline once: shop, Debezium, Kafka, landing, dbt, reconciliation, docs."""
    from playground.demo import Demo

    Demo(directory, rounds, changes, seed).run()


@app.command()
def up(directory: Directory = DIRECTORY, rate: Rate = 20, by_hand: ByHand = False) -> None:
    """Start the services, an open shop, landing and builds in the background."""
    from playground.background import Background

    background = Background(directory)
    if background.running:
        say("up already")
    else:
        say("starting PostgreSQL, Kafka and Kafka Connect")
        for sentence in background.up(rate, by_hand=by_hand):
            say(f"  {sentence}")
    say(
        f"\nPoint a shell at it with   source {background.environment_file}\n"
        "then, for example,         .venv/bin/lakehouse status\n"
        "                           .venv/bin/lakehouse query 'from marts.dim_store'\n"
        "and end it with            make down"
    )


@app.command()
def down(directory: Directory = DIRECTORY) -> None:
    """Stop what `up` started; the data stays, and the next `up` goes on with it."""
    from playground.background import Background

    background = Background(directory)
    if background.running:
        background.down()
        say("stopped")


@app.command()
def status(directory: Directory = DIRECTORY) -> None:
    """Show where the background services are and what they log; exit code 1 if they are down."""
    from playground.background import Background

    background = Background(directory)
    if not background.running:
        say("down; `make up` starts it")
        raise typer.Exit(1)
    for name, address, log in background.services():
        say(f"{name:<14} {address}\n{'':<14} log {log}")


@app.command(hidden=True)
def serve(directory: Directory = DIRECTORY, rate: Rate = 20, by_hand: ByHand = False) -> None:
    """Be the background process of `up`."""
    from playground.background import Background
    from playground.background import serve as run

    run(Background(directory), rate, by_hand=by_hand)


def main() -> None:
    """Run the command line."""
    # So that a termination unwinds the stack, which stops the services in their order.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    run(app)


if __name__ == "__main__":
    main()
