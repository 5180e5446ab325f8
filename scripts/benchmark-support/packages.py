"""Debian packages: which are missing, installing them, their versions."""

import os
import shutil
import subprocess

from errors import BenchmarkError

# Packages that start a service when they are installed.
SERVICES = {"redis-server": "redis-server", "etcd-server": "etcd"}


def package_version(package):
    """The installed version of `package`, or None."""
    query = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Version}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    status, _, version = query.stdout.partition(" ")
    return version if query.returncode == 0 and status == "installed" else None


def install_missing(packages):
    """Installs what is missing of `packages`; touches neither network nor sudo if nothing is."""
    if shutil.which("dpkg-query") is None:
        raise BenchmarkError("the benchmark compares with Debian's packages and needs Debian")
    missing = [package for package in packages if package_version(package) is None]
    if not missing:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    if os.geteuid() != 0:
        if shutil.which("sudo") is None:
            raise BenchmarkError(f"please install, as root: {' '.join(missing)}")
        command = ["sudo", *command]
    print(f"Installing {' '.join(missing)}", flush=True)
    if subprocess.run(command, check=False).returncode != 0:
        raise BenchmarkError(f"cannot install {' '.join(missing)}; does apt-get update help?")
    services = [SERVICES[package] for package in missing if package in SERVICES]
    if services:
        names = " ".join(services)
        print(f"Debian starts these as services; to undo: systemctl disable --now {names}")
