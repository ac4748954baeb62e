"""Threat: exits, crashes the interpreter, loops, forks, fills memory or disk, floods output, waits for input, leaves
processes behind. What holds: bounded; other exercises and other submissions unaffected.
"""

from .classroom import Submission

LEFT = "hostile-left"  # what a process is called that should be gone


def breaks(name, must_not, body, says="", **more):
    """scale_forward does it, in the last test; the other exercises keep their points."""
    scale = "def scale_forward(x, w):\n" + "\n".join("    " + line for line in body.splitlines())
    return Submission(name, must_not, scale=f"{scale}\n    return None", loses=("scale",), says=says, **more)


def cell(name, must_not, code, says="", loses=(), **more):
    """A cell does it before the exercises, which are right and run all the same."""
    return Submission(name, must_not, before=code, says=says, loses=loses, **more)


NAME_ME = f"import ctypes, os, time; ctypes.CDLL(None).prctl(15, b'{LEFT}', 0, 0, 0)\n"
ENDED = "The process ended"

SUBMISSIONS = [
    # ends itself
    cell("exit", "end the run", "exit()"),
    cell("sys-exit", "end the run", "import sys\nsys.exit(0)"),
    cell("os-exit", "end the run", "import os\nos._exit(0)", "The cell ended the process"),
    cell("os-abort", "end the run", "import os\nos.abort()", "The cell ended the process"),
    cell("kill-all", "end the grader", "import os\nif os.getpid() < 99: os.kill(-1, 9)\nos.kill(os.getpid(), 9)"),
    cell("kill-parent", "end the grader", "import os\nos.getppid() < 99 and os.kill(os.getppid(), 9)\nos._exit(1)"),
    cell("atexit", "end it later", "import atexit, os\natexit.register(os._exit, 0)"),
    cell("closes-all", "cut the grader's line", "import os\nos.closerange(0, 1024)"),
    cell("changes-folder", "lose the folder", "import os, shutil\nshutil.rmtree(os.getcwd(), True)\nos.chdir('/')"),
    breaks("segfault", "take more than this test along", "import ctypes\nctypes.string_at(0)", ENDED),
    breaks("os-exit-late", "pass by ending in time", "import os\nos._exit(0)", ENDED),
    breaks(
        "stack-overflow",
        "take more than this test along",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(): return f()\nreturn f()",
    ),
    breaks("recursion-deep", "take more than this test along", "return scale_forward(x, w)", "RecursionError"),
    # goes on for ever
    cell("endless-cell", "hang the run", "while True: pass", "took more than"),
    cell(
        "endless-and-deaf",
        "hang it by ignoring the interrupt",
        "import signal\nfor s in range(1, 30):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "took more than",
    ),
    cell(
        "stopped",
        "hang it by standing still",
        "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    ),
    breaks("endless", "hang the run", "while True: pass", "took more than"),
    breaks("sleeps", "hang the run", "import time\ntime.sleep(10**6)", "took more than"),
    breaks("endless-in-c", "hang it where no signal is heard", "return 9 ** 9 ** 9", "took more than"),
    breaks(
        "endless-regex",
        "hang it where no signal is heard",
        "import re\nreturn re.match('(a+)+$', 'a' * 50 + 'b')",
        "took more than",
    ),
    breaks(
        "deadlock",
        "hang it in a lock",
        "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()",
        "took more than",
    ),
    breaks("waits-for-input", "wait for input", "return input('Your grade? ')", "EOFError"),
    breaks("debugger", "wait in a debugger", "breakpoint()"),
    breaks(
        "slow-drip",
        "hang it with one byte at a time",
        "import time\nfor i in range(10**6):\n    print('x', flush=True)\n    time.sleep(0.01)",
        "took more than",
    ),
    # processes
    breaks(
        "fork-bomb",
        "fill the machine with processes",
        NAME_ME + "while True:\n    try: os.fork()\n    except OSError: pass",
    ),
    cell(
        "leaves-processes",
        "leave processes behind",
        NAME_ME + "for _ in range(5):\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0:\n"
        "            time.sleep(10**6)\n        os._exit(0)",
    ),
    cell(
        "leaves-a-shell",
        "leave a program behind",
        "import subprocess\nsubprocess.Popen('while :; do sleep 86397; done', shell=True, start_new_session=True)",
    ),
    cell(
        "thread-bomb",
        "fill the machine with threads",
        "import threading, time\ntry:\n    while True: threading.Thread(target=time.sleep, args=(10**6,), daemon=True).start()\n"
        "except RuntimeError: pass",
    ),
    cell(
        "busy-thread",
        "go on in the background while the tests run",
        "import threading\ndef spin():\n    while True: pass\nthreading.Thread(target=spin, daemon=True).start()",
    ),
    # memory and disk
    cell("memory-cell", "fill the memory", "held = []\nwhile True: held.append(bytearray(10**7))", "emory"),
    breaks("memory", "fill the memory", "held = []\nwhile True: held.append(np.ones(10**6))"),
    breaks(
        "memory-of-children",
        "fill the memory with many processes",
        NAME_ME
        + "for _ in range(20):\n    if os.fork() == 0:\n        held = bytearray(os.urandom(1 << 20)) * 120\n        time.sleep(100)\n"
        "time.sleep(100)",
        "",
    ),
    cell(
        "memory-of-small-children",
        "fill the memory with programs that are each smaller than Python with its libraries",
        "import subprocess, sys, time\nhold = 'import time; held = bytearray(b\\'x\\') * (45 << 20); time.sleep(9)'\n"
        "children = [subprocess.Popen([sys.executable, '-S', '-E', '-c', hold]) for _ in range(24)]\ntime.sleep(9)",
        "memory",
    ),
    cell(
        "memory-in-sockets",
        "fill the memory with what lies in sockets",
        NAME_ME
        + "import socket\ndef fill():\n    held = []\n    try:\n        while True:\n            held += socket.socketpair()\n"
        "            for s in held[-2:]:\n                s.setblocking(False)\n                s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)\n"
        "                try:\n                    while True: s.send(bytes(65536))\n                except BlockingIOError: pass\n"
        "    except OSError: time.sleep(9)\nfor _ in range(14):\n    if os.fork() == 0: fill()\ntime.sleep(9)",
        "memory",
    ),
    cell(
        "memory-in-a-queue",
        "fill the memory with connections that nobody accepts",
        "import resource, socket, time\ndoor = socket.socket(socket.AF_UNIX)\ndoor.bind('\\0door')\ndoor.listen(4096)\n"
        "for _ in range(4000):\n    with socket.socket(socket.AF_UNIX) as s:\n        s.connect('\\0door')\n"
        "        s.setblocking(False)\n        try: s.send(bytes(190_000))\n        except BlockingIOError: pass\ntime.sleep(9)",
        "memory",
    ),
    cell(
        "memory-in-datagrams",
        "fill the memory with messages of senders that are gone",
        "import socket, time\nheld = []\nfor n in range(240):\n    held.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))\n"
        "    held[-1].bind(f'\\0m{n}')\n    for _ in range(11):\n        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:\n"
        "            s.setblocking(False)\n            try: s.sendto(bytes(190_000), f'\\0m{n}')\n            except OSError: pass\ntime.sleep(9)",
        "memory",
    ),
    cell(
        "disk",
        "fill the disk",
        "try:\n    for i in range(100):\n        with open(f'big{i}', 'wb') as f:\n            for _ in range(100): f.write(b'x' * 10**6)\n"
        "except OSError as error: print('stopped:', error.strerror)",
        "stopped:",
    ),
    cell(
        "sparse-file",
        "fill the disk with a file that is larger than it",
        "import os\ntry:\n    with open('big', 'wb') as f: f.truncate(1 << 45)\nexcept OSError as error: print('stopped:', error.strerror)",
        "stopped:",
    ),
    cell(
        "inodes",
        "fill the disk with empty files",
        "try:\n    for i in range(10**6): open(f'f{i}', 'w').close()\nexcept OSError as error: print('stopped:', error.strerror)\n"
        "import glob, os\nfor f in glob.glob('f*'): os.remove(f)",
        "stopped:",
    ),
    # output
    cell("flood", "flood the page", "for _ in range(3000): print('spam ' * 2000)", "more characters were cut"),
    cell("flood-of-one-line", "flood it at once", "print('x' * 100_000_000)", "more characters were cut"),
    cell(
        "flood-of-stderr",
        "flood the other way",
        "import sys\nsys.stderr.write('x' * 50_000_000)",
        "more characters were cut",
    ),
    cell(
        "flood-of-descriptors",
        "flood the disk of the grader below Python",
        "import os\nfor fd in (0, 1, 2):\n    for _ in range(400):\n        try: os.write(fd, b'x' * 10**6)\n        except OSError: break",
    ),
    cell(
        "flood-of-displays",
        "flood it with pictures",
        "import os\nfrom IPython.display import Image, display\n"
        "for _ in range(300): display(Image(data=b'\\x89PNG\\r\\n' + os.urandom(30_000)))",
    ),
    cell(
        "flood-of-figures",
        "flood it with figures",
        "import matplotlib.pyplot as plt\nfor i in range(30): plt.figure(figsize=(1, 1))",
    ),
    # the shell itself
    cell("clears-names", "lose the names", "get_ipython().user_ns.clear()\nimport numpy as np"),
    cell("no-streams", "break the output", "import sys\nsys.stdout = sys.stderr = sys.__stdout__ = None"),
    cell("no-python", "break the run with what is no Python", "this is no python ((", "SyntaxError"),
    cell(
        "cell-magics",
        "do by magic what code may not",
        "%%bash\necho $$; cat /etc/shadow @COURSE@/solutions/hostile/hostile.ipynb",
    ),
    cell("pip", "install something", "%pip install --quiet nothing-of-that-name-here"),
    cell(
        "alarm",
        "fire a timer of the grader's",
        "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\nimport time; time.sleep(0.1)",
    ),
    cell("recursion-limit", "make everything recurse", "import sys\nsys.setrecursionlimit(60)"),
    cell(
        "switches-limits",
        "lift the limits",
        "import resource\nfor r in range(16):\n    try: resource.setrlimit(r, (-1, -1))\n    except (OSError, ValueError): pass\n"
        "print('memory', resource.getrlimit(resource.RLIMIT_AS)[1] == -1)",
        "memory False",
    ),
]
