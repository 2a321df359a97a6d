"""CURVE keys as files, and the list of those that are let in.

A folder holds for each name ``NAME.key_secret`` (both keys, mode 600) and ``NAME.key`` (the public
one), in the form of ZeroMQ certificates, and in ``allowed/`` the public keys of others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from zmq import auth
from zmq.utils import z85

from coinfer.errors import UsageError
from coinfer.runtime.realtime.remote import Keys

KEYS_VARIABLE: Final = "COINFER_KEYS"

HOST: Final = "host"
"""Name of the machine that boards dial."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SECRET: Final = ".key_secret"
_PUBLIC: Final = ".key"


class Known(NamedTuple):
    """A key of a folder.

    Attributes
    ----------
    name : str
    kind : {"own", "allowed"}
    public : str
        Z85.
    """

    name: str
    kind: str
    public: str


def default_folder() -> Path:
    """``COINFER_KEYS``, or ``~/.config/coinfer/keys``."""
    return Path(os.environ.get(KEYS_VARIABLE, "~/.config/coinfer/keys")).expanduser()


class KeyFolder:
    """Keys of this machine and of those that it trusts.

    Parameters
    ----------
    path : Path, optional
        `default_folder` unless given.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = default_folder() if path is None else path

    def new(self, name: str) -> Path:
        """Make a pair of keys; returns the file of the public one.

        Raises
        ------
        UsageError
            If the name is no file name, or has keys already.
        """
        _check_name(name)
        secret = self.path / f"{name}{_SECRET}"
        if secret.exists():
            raise UsageError(f"{secret}: {name!r} has keys; remove the file to make others")
        with _private():
            self.path.mkdir(parents=True, exist_ok=True)
            auth.create_certificates(self.path, name)
        return self.path / f"{name}{_PUBLIC}"

    def allow(self, name: str, key: str) -> Path:
        """Let a public key in under a name; returns its file.

        Parameters
        ----------
        name : str
        key : str
            A file with a public key, or the key itself in Z85.

        Raises
        ------
        UsageError
            If there is no such file, or in it no key, or a secret one.
        """
        _check_name(name)
        if key.endswith(_SECRET):
            raise UsageError(f"{key}: a secret key stays where it was made; give {name}{_PUBLIC}")
        public = _public(Path(key)) if _is_file(key) else key
        if not _is_key(public):
            raise UsageError(
                f"{key!r} is neither a file nor a public key of 40 characters; "
                "'coinfer keys list' shows those of a machine"
            )
        for known in self.known():
            if known.kind == "allowed" and known.public == public and known.name != name:
                raise UsageError(
                    f"this key is allowed as {known.name!r} already; a key has one name: "
                    f"make another for {name!r} with 'coinfer keys new {name}'"
                )
        folder = self.path / "allowed"
        with _private():
            folder.mkdir(parents=True, exist_ok=True)
            target = folder / f"{name}{_PUBLIC}"
            target.write_text(f'curve\n    public-key = "{public}"\n', encoding="utf-8")
        return target

    def known(self) -> list[Known]:
        """All public keys, the own ones first."""
        places = (("own", self.path), ("allowed", self.path / "allowed"))
        return [
            Known(path.stem, kind, _public(path))
            for kind, folder in places
            for path in sorted(folder.glob(f"*{_PUBLIC}"))
        ]

    def allowed(self) -> dict[bytes, str]:
        """Names by the public keys that are let in."""
        return {k.public.encode(): k.name for k in self.known() if k.kind == "allowed"}

    def own(self, name: str, server: str | None = None) -> Keys:
        """Keys of an end of this machine.

        Parameters
        ----------
        name : str
        server : str, optional
            Name of the machine that is dialled; its public key has to be an allowed one.

        Raises
        ------
        UsageError
            If keys are missing, or others could read the secret one.
        """
        path = self.path / f"{name}{_SECRET}"
        try:
            mode = path.stat().st_mode
        except OSError:
            raise UsageError(
                f"no keys of {name!r} in {self.path}; make them with 'coinfer keys new {name}'"
            ) from None
        if mode & 0o077:
            raise UsageError(f"{path}: others may read this secret key; run: chmod 600 {path}")
        try:
            public, secret = auth.load_certificate(path)
        except ValueError:
            secret = None
        if secret is None:
            raise UsageError(f"{path}: holds no keys; remove it, and run 'coinfer keys new {name}'")
        return Keys(public, secret, None if server is None else self._server(server))

    def _server(self, name: str) -> bytes:
        found = [k.public for k in self.known() if k.kind == "allowed" and k.name == name]
        if not found:
            raise UsageError(
                f"the key of {name!r} is not allowed in {self.path}; copy {name}{_PUBLIC} here and "
                f"run 'coinfer keys allow {name} {name}{_PUBLIC}'"
            )
        return found[0].encode()


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # Nothing that could be a path.
        return False


def _public(path: Path) -> str:
    try:
        public, _ = auth.load_certificate(path)
    except (OSError, ValueError):
        raise UsageError(f"{path}: holds no public key") from None
    text = public.decode("ascii", "replace")
    if not _is_key(text):
        raise UsageError(f"{path}: holds no public key of 40 characters")
    return text


def _is_key(text: str) -> bool:
    if len(text) != 40 or not text.isascii():
        return False
    try:
        return len(z85.decode(text)) == 32
    except (ValueError, KeyError):
        return False


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} cannot be a name; use up to 64 letters, digits, '.', '_' and '-', "
            "with a letter or digit first"
        )


@contextmanager
def _private() -> Iterator[None]:
    """Files that are made within are for nobody else."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
