"""Brings in what the foreign clients need: Debian packages into the system, npm packages and a repaired nusoap into `.cache/`.

What is there already is left alone, so a second run does nothing. By hand: `python tests/interop/install.py`.
The Python clients come with the project's `dev` extra.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE / ".cache"
"""holds node_modules/ and lib/nusoap.php"""

Say = Callable[[str], None]

_NUSOAP = Path("/usr/share/php/nusoap/nusoap.php")
_PROBES: dict[str, tuple[str, ...]] = {
    "chromium": ("chromium", "--version"),
    "chromium-driver": ("chromedriver", "--version"),
    "curl": ("curl", "--version"),
    "nodejs": ("node", "--version"),
    "npm": ("npm", "--version"),
    "php-cli": ("php", "--version"),
    "php-curl": ("php", "-r", "new CURLFile('');"),
    "php-soap": ("php", "-r", "new SoapVar(1, XSD_INT);"),
    "php-xml": ("php", "-r", "xml_parser_create();"),
    "libnusoap-php": ("test", "-f", str(_NUSOAP)),
    "default-jdk-headless": ("javac", "-version"),
    "libgoogle-gson-java": ("test", "-f", "/usr/share/java/gson.jar"),
    "libsoap-lite-perl": ("perl", "-MSOAP::Lite", "-e", "1"),
    "ruby": ("ruby", "-rjson", "-rnet/http", "-e", "1"),
}
"""Debian package -> a command that succeeds once it is there, wherever it came from"""

_CLASSES = "nusoap_base|nusoap_fault|nusoap_xmlschema|soapval|soap_transport_http|nusoap_server|wsdl|nusoap_parser|nusoap_client"
_OLD_CONSTRUCTOR = re.compile(rf"(function |parent::)(?:{_CLASSES})\(".encode())


def install(say: Say) -> None:
    """Raises RuntimeError, saying what is missing, when it may not or cannot be installed."""
    CACHE.mkdir(exist_ok=True)
    with open(CACHE / "lock", "w") as lock:  # parallel test workers come here together
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install_debian([package for package, probe in _PROBES.items() if not _succeeds(probe)], say)
        _install_npm(say)
        _repair_nusoap()


def _succeeds(command: tuple[str, ...]) -> bool:
    return shutil.which(command[0]) is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0


def _install_debian(missing: list[str], say: Say) -> None:
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if os.geteuid() != 0:
        raise RuntimeError(f"these Debian packages are missing, and only root can install them: {' '.join(command)}")
    say("Refreshing Debian's package lists: apt-get update")
    _run(["apt-get", "update"])
    say(f"Installing Debian packages: {' '.join(command)}")
    _run(command)


def _install_npm(say: Say) -> None:
    lock = (HERE / "package-lock.json").read_bytes()
    installed = CACHE / "installed-lock.json"
    if installed.exists() and installed.read_bytes() == lock:
        return
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(CACHE)]
    say(f"Installing npm packages: {' '.join(command)}")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, CACHE)
    _run(command)
    installed.write_bytes(lock)


def _repair_nusoap() -> None:
    """nusoap 0.9.5 has constructors in the manner of PHP 4, which PHP 8 does not call. They are renamed, nothing else."""
    copy = CACHE / "lib" / "nusoap.php"
    if copy.exists():
        return
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(_OLD_CONSTRUCTOR.sub(rb"\1__construct(", _NUSOAP.read_bytes()))


def _run(command: list[str]) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, check=False, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout.decode(errors='replace')[-3000:]}")


if __name__ == "__main__":
    install(print)
