/** What a bot may try against the kernel that it shares with its host: each is refused, for the bots' own user and for root of an image. */
import { afterAll, describe, expect, inject, it } from 'vitest';
import { imageVolumeName } from '#common/ids.ts';
import { record } from '../../../worker/runtime/docker/answers.ts';
import { dockerRuntime, rawEngine, removeAllOf } from '../../contract/docker-harness.ts';
import { patience } from '../../contract/harness.ts';
import { usableDocker } from '../../kit/test-docker.ts';
import { planWithDockerfile, runToEnd } from './bots.ts';

const given = inject('docker');
const docker = usableDocker(given);

/**
 * One line for each attempt: its name and how the kernel refused it. System calls are made by number, which are those of x86-64; those from 424 on
 * are the same everywhere.
 */
const attacks = `import ctypes, errno, os, platform, resource
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(name, number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    print(name, "DONE" if result >= 0 else errno.errorcode[ctypes.get_errno()])
def write(name, path, text):
    try:
        # Not made anew: a file of that name in a folder in memory is nothing of the kernel's.
        file = os.open(path, os.O_WRONLY)
        os.write(file, text.encode())
        print(name, "DONE")
    except OSError as error:
        print(name, errno.errorcode[error.errno])
def read(name, path):
    try:
        with open(path, "rb") as file:
            print(name, "DONE" if file.read(16) else "empty")
    except OSError as error:
        print(name, errno.errorcode[error.errno])
arm = platform.machine() == "aarch64"
def number(x86, other):
    return other if arm else x86
buffer = ctypes.create_string_buffer(256)
call("mount", number(165, 40), b"none", b"/tmp", b"tmpfs", 0, None)
call("umount", number(166, 39), b"/proc", 0)
call("pivot_root", number(155, 41), b"/", b"/")
call("unshare-user", number(272, 97), 0x10000000)
call("unshare-mount", number(272, 97), 0x00020000)
call("setns", number(308, 268), os.open("/proc/self/ns/net", os.O_RDONLY), 0)
call("bpf", number(321, 280), 0, buffer, 64)
call("perf_event_open", number(298, 241), buffer, 0, -1, -1, 0)
call("userfaultfd", number(323, 282), 0)
call("io_uring_setup", 425, 4, buffer)
call("keyctl", number(250, 219), 0, -3, 0)
call("add_key", number(248, 217), b"user", b"a", b"b", 1, -3)
call("kexec_load", number(246, 104), 0, 0, 0, 0)
call("init_module", number(175, 105), buffer, 16, b"")
call("open_by_handle_at", number(304, 265), -1, buffer, 0)
call("swapon", number(167, 224), b"/tmp/x", 0)
call("reboot", number(169, 142), 0, 0, 0, 0)
call("settimeofday", number(164, 170), buffer, 0)
call("sethostname", number(170, 161), b"x", 1)
call("acct", number(163, 89), b"/tmp/x")
call("mknod-disk", number(133, 33), *((b"/tmp/disk", 0o60600, 0x800) if not arm else (-100, b"/tmp/disk", 0o60600, 0x800)))
call("iopl", number(172, 9999), 3)
call("socket-raw", number(41, 198), 2, 3, 1)
call("socket-packet", number(41, 198), 17, 3, 0x300)
write("core_pattern", "/proc/sys/kernel/core_pattern", "|/tmp/x")
write("modprobe", "/proc/sys/kernel/modprobe", "/tmp/x")
write("sysrq", "/proc/sysrq-trigger", "h")
write("uevent_helper", "/sys/kernel/uevent_helper", "/tmp/x")
write("proc-sys", "/proc/sys/vm/overcommit_memory", "1")
for folder in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup/rdma", "/sys/fs/cgroup"):
    if os.path.isdir(folder):
        write("release_agent", folder + "/release_agent", "/tmp/x")
        write("cgroup-limit", folder + ("/memory.limit_in_bytes" if folder.endswith("memory") else "/memory.max"), "-1")
write("oom_score", "/proc/self/oom_score_adj", "-1000")
read("kcore", "/proc/kcore")
read("keys", "/proc/keys")
read("timer_list", "/proc/timer_list")
read("mem", "/dev/mem")
read("kmsg", "/dev/kmsg")
read("firmware", "/sys/firmware/acpi/tables/DSDT")
read("disk", "/dev/vda")
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))
    print("rlimit DONE")
except (OSError, ValueError) as error:
    print("rlimit EPERM")
print("setuid-file", os.popen("/srv/bot/busybox id -u 2>&1").read().strip() or "nothing")
print("end")
`;

describe.skipIf('skip' in given)('a bot that attacks the kernel of its host', { timeout: 180_000 }, () => {
  const userId = 'attacker';
  const workerId = 'worker-at';
  const network = 'isolation_at';
  const engine = rawEngine(docker);
  afterAll(() => removeAllOf(engine, userId, network));

  // A file that runs as root whoever starts it, volumes, ports, a large environment, and a check and a signal of its own.
  const dockerfile = `FROM python:3.11-slim
WORKDIR /srv/bot
COPY . .
RUN cp /bin/busybox busybox && chown 0:0 busybox && chmod 4755 busybox
VOLUME /srv/kept /etc/own
EXPOSE 1-100
ENV BIG=${'x'.repeat(20_000)} LD_PRELOAD=
LABEL bot_runner=true user_id=somebody sig=forged huge=${'y'.repeat(10_000)}
STOPSIGNAL SIGKILL
HEALTHCHECK --interval=1s CMD ["true"]
ENTRYPOINT ["python", "-u"]
CMD ["bot.py"]
`;

  it.each([
    ['the bots’ own user', true],
    ['root of an image, with what little it may', false],
  ])('is refused as %s', async (_who, strangers) => {
    const key = { userId, botId: 'a' };
    const runtime = dockerRuntime(docker, { network, workerId, strangers });
    const files = { 'bot.py': attacks };
    const plan = await planWithDockerfile(runtime, { key, workerId, dockerfile, files });
    const id = await runtime.create(plan, patience());
    const facts = record(await engine.get(`/containers/${id}/json`));
    await runtime.remove(id, patience());
    expect(record(record(facts['Config'])['Labels'])).toMatchObject({ user_id: userId });
    const mounts = facts['Mounts'] as readonly { Name: string; Destination: string; Type: string }[];
    expect(
      mounts
        .map(({ Type, Name, Destination }) => [Type, Name, Destination])
        .slice()
        .sort(),
    ).toEqual(
      expect.arrayContaining([
        ['volume', imageVolumeName(key, '/srv/kept'), '/srv/kept'],
        ['volume', imageVolumeName(key, '/etc/own'), '/etc/own'],
      ]),
    );
    expect(mounts).toHaveLength(3);
    expect(record(facts['HostConfig'])).toMatchObject({ PublishAllPorts: false, Privileged: false });

    const { lines } = await runToEnd(runtime, plan);
    expect(lines.at(-1)).toBe('end');
    const outcomes = lines.filter((line) => line !== 'end' && !line.startsWith('setuid-file'));
    expect(outcomes.length).toBeGreaterThan(35);
    // Docker's profile before version 25 lets io_uring through; whether the host does is a setting of its kernel.
    const { ServerVersion } = (await engine.get('/info')) as { ServerVersion: string };
    const mayUseRings = Number.parseInt(ServerVersion, 10) < 25 || docker.podman !== undefined;
    const done = outcomes.filter((line) => line.endsWith('DONE'));
    expect(done.filter((line) => !(mayUseRings && line.startsWith('io_uring_setup ')))).toEqual([]);
    // Masked files are there, and empty; nothing else is.
    const empty = outcomes.filter((line) => line.endsWith(' empty')).map((line) => line.split(' ')[0] ?? '');
    expect(empty.filter((name) => !['kcore', 'keys', 'timer_list'].includes(name))).toEqual([]);
    // A program that belongs to root and says so gains nothing by it.
    expect(lines).toContain(`setuid-file ${strangers ? '10001' : '0'}`);
  });
});
