"""The verbs that need no relay to talk to: serve, check-config, passwd, dkim keygen.

Owned here: those commands; the work is done by the rooms they start.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import click

from mailtui.errors import EX_CANTCREAT, EX_DATAERR, ConfigError, ControlError

from . import context
from .context import Context, pass_context

if TYPE_CHECKING:
    from mailtui.trust.keys import Algorithm


@click.command()
@pass_context
def serve(here: Context) -> None:
    """Run the relay in this process, headless."""
    config = here.load(files=True)
    from mailtui import host

    sys.exit(host.serve(config))


@click.command("check-config")
@pass_context
def check_config(here: Context) -> None:
    """Read the configuration as `serve` would, look at what it names (directories, group, certificates, keys), and say whether all is
    good. Run it as the relay's user."""
    config = here.load(files=True)
    from mailtui.preflight import check_start
    from mailtui.trust.keys import load_key

    check_start(config)
    for index, listener in enumerate(config.listener):
        if any(not network.prefixlen for network in listener.networks):
            click.echo(f"mailtui: warning: listener[{index}].networks: everybody may send to anywhere", err=True)
    for index, entry in enumerate(config.dkim):
        try:
            weakness = load_key(entry.key_file, entry.algorithm).weakness
        except ConfigError as error:
            raise ConfigError(f"dkim[{index}].key_file: {error}") from None
        if weakness:
            click.echo(f"mailtui: warning: dkim[{index}].key_file: {weakness}", err=True)
    context.say([f"{config.path or 'default settings'}: good"])


@click.command()
def passwd() -> None:
    """Make the hash of a password for [[user]]; asks, or reads one line of standard input."""
    from mailtui.intake.auth import hash_password

    if sys.stdin.isatty():
        text = str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    else:
        text = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    try:
        context.say([hash_password(text)])
    except ValueError as error:
        raise ControlError("password", str(error), exit_code=EX_DATAERR) from None


@click.group(no_args_is_help=False)
def dkim() -> None:
    """Keys that sign mail."""


@dkim.command()
@click.option("--domain", required=True, help="The domain that signs.")
@click.option("--selector", required=True, help="The name of the key under that domain.")
@click.option("--algorithm", type=click.Choice(["rsa", "ed25519"]), default="rsa", show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The new file for the private key.")
def keygen(domain: str, selector: str, algorithm: Literal["rsa", "ed25519"], out: Path) -> None:
    """Make a key, keep it in a new file (0600), print the TXT record to publish."""
    from mailtui.config import Rejected
    from mailtui.config.addresses import domain as domain_name
    from mailtui.config.values import selector as selector_name
    from mailtui.trust.keys import keygen as make
    from mailtui.trust.keys import zone_line

    try:
        domain, selector = domain_name(domain), selector_name(selector)
    except Rejected as error:
        raise click.UsageError(str(error)) from None
    pem, record = make(cast("Algorithm", f"{algorithm}-sha256"))
    _keep(out, pem)
    entry = f'[[dkim]]  domain = "{domain}"  selector = "{selector}"  key_file = "{out.absolute()}"'
    context.say([zone_line(domain, selector, record)])
    click.echo(f'{entry}  algorithm = "{algorithm}-sha256"', err=True)


def _keep(path: Path, pem: bytes) -> None:
    """A new file, readable by its owner alone, on the disk when this returns."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(fd)
    except FileExistsError:
        hint = "a key that may be in use is not overwritten"
        raise ControlError("exists", f"{path} is there already", hint, EX_CANTCREAT) from None
    except OSError as error:
        raise ControlError("cannot-create", f"{path}: {error.strerror}", exit_code=EX_CANTCREAT) from None
