"""What a process does to lock itself in: Linux namespaces, resource limits, no privileges. Runs inside the sandbox only."""

import contextlib
import ctypes
import os
import resource
import sys

NEWNS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
SYS_CAPSET = {"x86_64": 126, "aarch64": 91}

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _check(result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def enter_namespaces():
    """Leave every namespace shared with others. The new process id namespace holds from the next fork on. Raises OSError."""
    uid, gid = os.getuid(), os.getgid()
    _libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # a process that changed its user may not write its own maps otherwise
    _check(_libc.unshare(NEWUSER | NEWNS | NEWPID | NEWIPC | NEWNET))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def mount_private(folder, size):
    """An empty file system of `size` bytes on `folder`, and no view of other processes. Raises OSError."""
    _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    options = f"size={size},mode=700,nr_inodes=20000".encode()
    _check(_libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", MS_NOSUID | MS_NODEV, options))
    if _libc.mount(b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV, None) != 0:
        _check(_libc.mount(b"tmpfs", b"/proc", b"tmpfs", MS_NOSUID | MS_NODEV, b"size=4096,mode=555"))


def bind(source, target):
    """Show the folder `source` at `target` too. Raises OSError."""
    _check(_libc.mount(os.fsencode(source), os.fsencode(target), None, MS_BIND, None))


def make_read_only(folder):
    """The file system at `folder` can be read, but not written, by this process and its children. Raises OSError."""
    flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV
    _check(_libc.mount(None, os.fsencode(folder), None, flags, None))


def drop_privileges():
    """No capability is left, and none can be had again."""
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in range(64):
        _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    number = SYS_CAPSET.get(os.uname().machine)
    if number is not None:
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        _check(_libc.syscall(number, header, (ctypes.c_uint32 * 6)()))


def die_with_parent():
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)


def limit_resources(memory, processes, file_size, seconds):
    """Limits for this process and its children; `memory` in bytes beyond what is mapped now."""
    mapped = 0
    with contextlib.suppress(OSError), open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    limits = {
        "RLIMIT_AS": mapped + memory if mapped else None,
        "RLIMIT_NPROC": processes,
        "RLIMIT_FSIZE": file_size,
        "RLIMIT_NOFILE": 256,
        "RLIMIT_CPU": int(seconds) + 5,
        "RLIMIT_CORE": 0,
    }
    for name, value in limits.items():
        if value is not None:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(getattr(resource, name), (value, value))
