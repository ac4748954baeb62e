"""What a process does to lock itself in: Linux namespaces, resource limits, no privileges. Runs inside the sandbox only."""

import contextlib
import ctypes
import errno
import gc
import importlib
import os
import platform
import resource
import signal
import struct
import sys

NEWNS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
CHILD_CLEARTID, CHILD_SETTID = 0x00200000, 0x01000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38
PR_GET_TID_ADDRESS = 40
SECCOMP_MODE_FILTER = 2
SYS_CAPSET = {"x86_64": 126, "aarch64": 91}

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_locked_libc = ctypes.PyDLL(None, use_errno=True) if sys.platform == "linux" else None  # keeps Python's lock in a call


def _check(result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def fork_apart() -> int:
    """As os.fork, but the child is the first process of namespaces that it shares with nobody; its end is the end of all in them.

    The network's too, though the sandbox has none: names and ports of one submission could be seen by the next. Only for a process
    of one thread, for nothing else is told of the fork that os.fork would tell. Raises OSError.
    """
    if os.uname().machine not in _MACHINES:
        raise OSError(errno.ENOSYS, "the system call `clone` is not known for this processor")
    call, flags = _MACHINES[os.uname().machine][2]["clone"], NEWUSER | NEWNS | NEWPID | NEWIPC | NEWNET | signal.SIGCHLD
    thread = ctypes.c_void_p()
    if platform.libc_ver()[0] == "glibc" and _libc.prctl(PR_GET_TID_ADDRESS, ctypes.byref(thread), 0, 0, 0) == 0:
        flags |= CHILD_CLEARTID | CHILD_SETTID  # or glibc would take its first thread for the parent's
    here, python = thread.value or 0, ctypes.pythonapi
    python.PyOS_BeforeFork()
    pid = _locked_libc.syscall(
        *map(ctypes.c_long, (call, flags, 0, 0, here, here))
    )  # unshare would need a process between
    if pid != 0:
        python.PyOS_AfterFork_Parent()
        if pid < 0:
            _check(pid)
        return pid
    python.PyOS_AfterFork_Child()
    return 0


def keep_user(uid, gid):
    """Be the same user inside the new namespace as outside. Raises OSError."""
    _libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # a process that changed its user may not write its own maps otherwise
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def mount_private(folder, size):
    """An empty file system of `size` bytes on `folder`, and nothing to be seen of others' processes and terminals. Raises OSError."""
    _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    options = f"size={size},mode=700,nr_inodes=20000".encode()
    _check(_libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", MS_NOSUID | MS_NODEV, options))
    if _libc.mount(b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV, None) != 0:
        _check(_libc.mount(b"tmpfs", b"/proc", b"tmpfs", MS_NOSUID | MS_NODEV, b"size=4096,mode=555"))
    _libc.mount(b"devpts", b"/dev/pts", b"devpts", MS_NOSUID, b"newinstance,ptmxmode=0666,mode=620")
    _libc.mount(
        b"tmpfs", b"/dev/shm", b"tmpfs", MS_NOSUID | MS_NODEV, b"size=64m,mode=1777,nr_inodes=1000"
    )  # for semaphores


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


# What no exercise needs, and what would get round the limits: memory that counts for no process or file, namespaces with
# file systems of their own, keys and watches that count for the user, and wide doors into the kernel. The numbers for x86_64 and aarch64.
_FORBIDDEN = {
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "ptrace": (101, 117),
    "vmsplice": (278, 75),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "inotify_init": (253, 26),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
}
# the column above, the kernel's name of the architecture, and the calls that are looked at closer
_MACHINES = {
    "x86_64": (0, 0xC000003E, {"clone": 56, "mmap": 9, "socket": 41, "setsockopt": 54}),
    "aarch64": (1, 0xC00000B7, {"clone": 220, "mmap": 222, "socket": 198, "setsockopt": 208}),
}
_CLONE3, _SHARED_ANONYMOUS, _ALL = 435, 0x21, 0xFFFFFFFF
_FAMILIES = 1, 2, 10  # AF_UNIX, AF_INET, AF_INET6; the last two have no way to anywhere, not even to themselves
_SOL_SOCKET, _BUFFERS = 1, (7, 8, 32, 33)  # SO_SNDBUF, SO_RCVBUF, and by force
_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06  # instructions of the kernel's filter
_ALLOW, _ANSWER, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_REFUSE, _PRETEND = _ANSWER | errno.EPERM, _ANSWER | 0


def _filter(machine):
    """The filter of system calls as [(instruction, jump if so, jump if not, operand)]; a jump counts the lines it leaves out."""
    column, architecture, call = _MACHINES[machine]
    lines = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL)]
    lines += [(_LOAD, 0, 0, 0), (_AT_LEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _KILL)]  # x86's other tables of calls
    lines += _when(_CLONE3, {}, _ANSWER | errno.ENOSYS)  # libc then takes clone
    for numbers in _FORBIDDEN.values():
        lines += _when(numbers[column], {}, _REFUSE)
    lines += _when(call["clone"], {0: (NEWUSER, [NEWUSER])}, _REFUSE)
    lines += _when(call["mmap"], {3: (_SHARED_ANONYMOUS, [_SHARED_ANONYMOUS])}, _REFUSE)
    lines += _when(call["socket"], {0: (_ALL, _FAMILIES)}, _ALLOW) + _when(call["socket"], {}, _REFUSE)
    lines += _when(call["setsockopt"], {1: (_ALL, [_SOL_SOCKET]), 2: (_ALL, _BUFFERS)}, _PRETEND)
    return [*lines, (_RETURN, 0, 0, _ALLOW)]


def _when(call, arguments, verdict):
    """Lines with a verdict on a call; `arguments`: {place: (mask, values)} of those that must be, masked, one of the values."""
    body = [(_RETURN, 0, 0, verdict)]
    for place, (mask, values) in reversed(arguments.items()):
        tests = [(_EQUAL, 0, len(body), values[-1])]
        for value in values[:-1]:
            tests = [(_EQUAL, len(tests), 0, value), *tests]
        body = [(_LOAD, 0, 0, 16 + 8 * place), (_AND, 0, 0, mask), *tests, *body]
    again = [(_LOAD, 0, 0, 0)] if arguments else []
    return [(_EQUAL, 0, len(body + again), call), *body, *again]


def forbid_calls():
    """Refuse this process and its children the system calls that no exercise needs, where the kernel can. For good."""
    machine = os.uname().machine
    if _libc is None or machine not in _MACHINES:
        return
    code = b"".join(struct.pack("=HBBI", *line) for line in _filter(machine))
    lines = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(lines)))
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)


def end_me_first():
    """Where the machine runs out of memory, the kernel ends this process and its children before any other."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def warm(modules):
    """Import what is there of these, once for all the processes that are forked from this one."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        for name in modules:
            parent, _, child = name.rpartition(".")
            if parent in sys.modules and hasattr(sys.modules[parent], child):
                continue  # what `from parent import child` gives already
            with contextlib.suppress(BaseException):  # such as a module that calls sys.exit
                importlib.import_module(name)


def settle():
    """Make forks of this process cheap, when it holds all that they will share."""
    gc.collect()
    gc.freeze()  # or every fork would copy what the collector looks at
    use_large_pages()


def use_large_pages():
    """Put what this process holds into large pages, where the kernel can: a fork then has a table to copy that is much shorter."""
    size, collapse = 2 << 20, 25  # bytes of a large page; MADV_COLLAPSE
    if _libc is None:
        return
    with contextlib.suppress(OSError), open("/proc/self/maps") as file:
        for line in file.read().splitlines():
            span, flags, _, _, _, *name = line.split(maxsplit=5)
            start, end = (int(number, 16) for number in span.split("-"))
            start, end = -(-start // size) * size, end // size * size
            if flags == "rw-p" and name in ([], ["[heap]"]) and start < end:
                _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), collapse)


def die_with_parent():
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)


def mapped_memory() -> int:
    """Bytes of address space that this process has now; 0 where that cannot be told, as without /proc."""
    with contextlib.suppress(OSError), open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
    return 0


SPARE_PROCESSES = 8  # that the worker may have beyond what the code may, so that it can go on beside a bomb


def limit_resources(mapped, memory, processes, file_size, seconds):
    """Limits for this process and its children; `memory` in bytes beyond what is `mapped` already."""
    limits = {
        "RLIMIT_AS": (mapped + memory,) * 2 if mapped else None,
        "RLIMIT_NPROC": (processes, processes + SPARE_PROCESSES),
        "RLIMIT_FSIZE": (file_size,) * 2,
        "RLIMIT_NOFILE": (256,) * 2,
        "RLIMIT_CPU": (2 * int(seconds) + 5,) * 2,  # cells and tests, for the last test runs where the cells ran
        "RLIMIT_CORE": (0, 0),
    }
    for name, pair in limits.items():
        if pair is not None:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(getattr(resource, name), pair)


@contextlib.contextmanager
def spare_processes():
    """Inside the `with`, the processes that are kept from the code may be used."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
