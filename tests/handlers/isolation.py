"""Tries to get out, and tells how far it got. Every probe returns facts; the test judges them."""

import ctypes
import errno
import os
import signal
import socket
import time
import uuid

SANDBOX = str(uuid.uuid4())
libc = ctypes.CDLL(None, use_errno=True)


def attempt(action, *arguments):
    """The name of the error that an action ends with, or None."""
    try:
        action(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    return None


def call(name, *arguments):
    """The name of the error that a C function ends with, or None."""
    ctypes.set_errno(0)
    result = getattr(libc, name)(*arguments)
    return errno.errorcode[ctypes.get_errno()] if result == -1 else None


def write(path):
    with open(path, "w", encoding="utf-8") as file:
        file.write("x")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def connect(address):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.settimeout(5)
        one.connect(address)


def resolve(name):
    """The addresses behind a name, or the name of the error."""
    try:
        return sorted({found[4][0] for found in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)})
    except socket.gaierror as error:
        return [name for name in dir(socket) if name.startswith("EAI_") and getattr(socket, name) == error.errno][0]


def network(event):
    with open("/proc/net/dev", encoding="utf-8") as file:
        interfaces = [line.split(":")[0].strip() for line in file.readlines()[2:]]
    return {
        "interfaces": interfaces,
        "connect": [attempt(connect, tuple(address)) for address in event["addresses"]],
        "names": {name: resolve(name) for name in ("localhost", "example.com", socket.gethostname())},
        "raw": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)),
        "packet": attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
    }


def files(event):
    paths = ["/x", "/etc/passwd", "/usr/x", "/var/x", "/var/task/x", "/var/task/isolation.py", "/.thaw/x", "/.thaw/init"]
    return {
        "write": {path: attempt(write, path) for path in paths},
        "remove": attempt(os.remove, "/var/task/isolation.py"),
        "chmod": attempt(os.chmod, "/var/task/isolation.py", 0o777),
        "tmp": attempt(write, "/tmp/x"),
    }


def privileges(event):
    ptrace_traceme, ptrace_attach = 0, 16
    ptrace_seize = 0x4206
    clone_newns, clone_newuser, clone_newnet = 0x00020000, 0x10000000, 0x40000000
    status = dict(line.split(":\t", 1) for line in read("/proc/self/status").decode().splitlines() if ":\t" in line)
    child = os.fork()
    if child == 0:
        # In a child, since a process that is traced stops at its next signal.
        denied = call("ptrace", ptrace_traceme, 0, 0, 0)
        os._exit(errno.__dict__[denied] if denied else 0)
    traceme = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {
        "mount": {
            "tmpfs": call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
            "remount": call("mount", b"none", b"/var/task", b"none", 32 | 4096, None),
            "umount": call("umount2", b"/var/task", 0),
        },
        "ptrace": {
            "traceme": errno.errorcode[traceme] if traceme else None,
            "attach 1": call("ptrace", ptrace_attach, 1, 0, 0),
            "seize 1": call("ptrace", ptrace_seize, 1, 0, 0),
        },
        "unshare": {
            "mounts": call("unshare", clone_newns),
            "users": call("unshare", clone_newuser),
            "network": call("unshare", clone_newnet),
        },
        "kill 1": attempt(os.kill, 1, signal.SIGKILL),
        "mknod": attempt(os.mknod, "/tmp/device", 0o020666, os.makedev(1, 1)),
        "setuid": attempt(os.setuid, 0),
        "chroot": attempt(os.chroot, "/tmp"),
        "environ of 1": attempt(read, "/proc/1/environ"),
        "memory of 1": attempt(lambda: open("/proc/1/mem", "rb").close()),
        "ids": [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.getgroups()],
        "status": {name: status[name].strip() for name in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp")},
    }


def leave(event):
    write("/tmp/" + event["name"])
    return sorted(os.listdir("/tmp"))


def search(event):
    """Every path whose name holds a text, and what runs here."""
    found = []
    for directory, directories, names in os.walk("/"):
        directories[:] = [name for name in directories if os.path.join(directory, name) not in ("/proc", "/sys")]
        found += [os.path.join(directory, name) for name in directories + names if event["name"] in name]
    processes = [name for name in os.listdir("/proc") if name.isdigit()]
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = file.read()
    return {
        "found": found,
        "commands": [read(f"/proc/{name}/cmdline").decode().replace("\0", " ").strip() for name in processes],
        "mounts": mounts,
    }


def count_forks(event):
    """Forks until it is refused."""
    children = []
    refusal = None
    while refusal is None and len(children) < 100_000:
        try:
            child = os.fork()
        except OSError as error:
            refusal = errno.errorcode[error.errno]
            break
        if child == 0:
            time.sleep(60)
            os._exit(0)
        children.append(child)
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
    return {"forks": len(children), "refusal": refusal}


def bomb(event):
    """Forks without end."""
    print("bomb", flush=True)
    while True:
        try:
            os.fork()
        except OSError:
            pass


def fill(event):
    """Writes until the disk is full."""
    block = b"\0" * (4 << 20)
    refusal = None
    with open("/tmp/full", "wb", buffering=0) as file:
        while refusal is None:
            refusal = attempt(file.write, block)
    return {"size": os.path.getsize("/tmp/full"), "refusal": refusal, "sandbox": SANDBOX}


def filled(event):
    return {"size": os.path.getsize("/tmp/full"), "sandbox": SANDBOX}


PROBES = {
    probe.__name__: probe
    for probe in (network, files, privileges, leave, search, count_forks, bomb, fill, filled)
}


def handler(event, context):
    return PROBES[event["probe"]](event)
