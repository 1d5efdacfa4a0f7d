"""What a hostile bot tries, one attack a line: "NAME refused" or "NAME DONE". ATTACK in the environment says which."""
import ctypes
import os
import socket
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)


def say(line):
    """In one piece: several processes may write."""
    os.write(1, f'{line}\n'.encode())


def tell(name, done):
    say(f"{name} {'DONE' if done else 'refused'}")


def call(*arguments):
    """A call of the kernel; whether it was allowed."""
    return libc.syscall(*arguments) >= 0


def opens(path, mode='w', text='x'):
    try:
        with open(path, mode) as file:
            if 'w' in mode:
                file.write(text)
            else:
                return file.read(1) != ''
        return True
    except OSError:
        return False


def makes(work):
    try:
        work()
        return True
    except (OSError, ValueError):
        return False


def network():
    raw = [
        ('packets', socket.AF_PACKET, socket.SOCK_RAW, 0x0300),
        ('packets without heads', socket.AF_PACKET, socket.SOCK_DGRAM, 0x0300),
        ('raw IPv4', socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
        ('raw IPv6', socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6),
    ]
    for name, *kind in raw:
        tell(name, makes(lambda: socket.socket(*kind)))
    ARPING = b'\0' * 40
    tell('a neighbour', makes(lambda: rtnetlink(28, ARPING)))
    tell('an address', makes(lambda: rtnetlink(20, ARPING)))
    tell('a route', makes(lambda: rtnetlink(24, ARPING)))
    tell('router advertisements', opens('/proc/sys/net/ipv6/conf/eth0/accept_ra', text='2'))
    tell('forwarding', opens('/proc/sys/net/ipv4/ip_forward', text='1'))


def rtnetlink(kind, body):
    """RTM_NEWNEIGH 28, RTM_NEWADDR 20, RTM_NEWROUTE 24; the kernel asks for CAP_NET_ADMIN before it looks at the rest."""
    import struct
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.settimeout(5)
        link.send(struct.pack('=IHHII', 16 + len(body), kind, 0x0405, 1, 0) + body)
        code = struct.unpack('=i', link.recv(4096)[16:20])[0]
        if code == -1:
            raise OSError('not permitted')


def kernel():
    CLONE = {'user': 0x10000000, 'mount': 0x00020000, 'network': 0x40000000, 'pid': 0x20000000}
    for name, flag in CLONE.items():
        tell(f'a {name} namespace', call(272, flag))
    tell('a mount', libc.mount(b'none', b'/mnt', b'tmpfs', 0, None) == 0)
    tell('a mount of proc', libc.mount(b'proc', b'/mnt', b'proc', 0, None) == 0)
    tell('an unmount', libc.umount2(b'/proc/kcore', 2) == 0)
    tell('another root', libc.chroot(b'/tmp') == 0)
    tell('a device', makes(lambda: os.mknod('/tmp/sda', 0o60600, os.makedev(8, 0))))
    tell('keys', call(248, b'user', b'x', b'y', 1, -3))
    tell('a search for keys', call(250, 0, -3, 0))
    tell('bpf', call(321, 5, ctypes.create_string_buffer(128), 128))
    tell('userfaultfd', call(323, 0))
    tell('perf events', call(298, ctypes.create_string_buffer(128), 0, -1, -1, 0))
    tell('files by their handles', call(304, 3, ctypes.create_string_buffer(128), 0))
    tell('modules', call(175, None, 0, b''))
    tell('a restart', call(169, 0xFEE1DEAD, 672274793, 0x1234567, 0))
    tell('the clock', call(227, 0, ctypes.create_string_buffer(16)))
    tell('a host name', call(170, b'x', 1))
    tell('the log of the kernel', call(103, 3, ctypes.create_string_buffer(128), 128) or opens('/dev/kmsg', 'r'))
    tell('memory of the first process', opens('/proc/1/mem', 'r+b'))
    for path in ('/proc/sys/kernel/core_pattern', '/proc/sys/kernel/modprobe', '/proc/sysrq-trigger', '/sys/kernel/uevent_helper',
                 '/sys/fs/cgroup/release_agent', '/sys/fs/cgroup/memory/release_agent', '/sys/fs/cgroup/memory/memory.limit_in_bytes',
                 '/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/cgroup.procs', '/proc/self/oom_score_adj.x', '/dev/mem', '/dev/sda'):
        tell(path, opens(path))
    for path in ('/proc/kcore', '/proc/keys', '/proc/timer_list', '/proc/sched_debug', '/sys/firmware/acpi/tables/DSDT'):
        tell(f'{path} to read', opens(path, 'r'))
    tell('root by a setuid file', os.geteuid() == 0)


def look():
    """Everything that a bot can read of its own container, for a search by the test."""
    print(dict(os.environ))
    for path in ('/proc/self/mountinfo', '/proc/1/cmdline', '/proc/1/environ', '/etc/hosts', '/etc/resolv.conf'):
        try:
            with open(path, errors='replace') as file:
                print(path, file.read().replace('\0', ' '))
        except OSError:
            print(path, 'refused')
    for folder in ('/run', '/var/run', '/tmp', '/home', '/data', '/srv', '/opt'):
        for where, _, files in os.walk(folder):
            for name in files:
                print(os.path.join(where, name))
    sys.stdout.flush()
    say('looked')


def forks():
    count = 0
    try:
        while count < 1000:
            if os.fork() == 0:
                time.sleep(1000)
            count += 1
    except OSError:
        pass
    say(f'stopped at {count}')


def fill():
    """/dev/shm alone is bounded by the container's own settings."""
    written = 0
    try:
        with open('/dev/shm/x', 'wb', buffering=0) as file:
            while written < 200:
                file.write(b'x' * 2**20)
                written += 1
    except OSError:
        pass
    say(f'wrote {written} MiB')


def linger():
    """Children with sessions of their own that ignore every signal they can."""
    import signal
    for _ in range(5):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                break
            os._exit(0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    say('deaf')


for attack in os.environ['ATTACK'].split():
    {'network': network, 'kernel': kernel, 'look': look, 'forks': forks, 'fill': fill, 'linger': linger}[attack]()
say('over')
time.sleep(1000)
