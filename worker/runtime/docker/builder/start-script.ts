/**
 * What runs in the container of a builder: an engine with settings of ours, reached by nothing but its socket in that container.
 * The image needs dockerd, docker, containerd, runc and iptables, as Docker's docker:dind has them, and a shell.
 *
 * 1. The container has control groups of its own to write to, and all steps of all builds are in one of them, "steps", whose
 *    limits hold whichever of its two builders the engine uses; the engine is beside it, so that steps cannot starve it.
 * 2. Steps lose CAP_NET_RAW, and cannot be in the network of the engine: every container is started through a program that
 *    sees to both in its bundle (https://github.com/opencontainers/runtime-spec/blob/main/config.md).
 * 3. The store is a file system of a fixed size in a file, where the kernel lets the container have a loop device.
 */

/** The engine's socket, in the container. */
const builderSocket = 'unix:///run/bot-runner/docker.sock';

/** Says how the store is limited: "sized" or "plain". */
const storeNoteFile = '/run/bot-runner/store';

/** Connects its input and output to the engine, when that is up. */
export const dialCommand: readonly string[] = [
  '/bin/sh',
  '-c',
  `until [ -S ${builderSocket.slice('unix://'.length)} ]; do sleep 0.1; done; exec docker -H ${builderSocket} system dial-stdio`,
];

/** The names of the variables that the script reads. */
export interface StartSettings {
  /** The text of the engine's daemon.json. */
  readonly DAEMON_JSON: string;
  readonly STEPS_MEMORY: string;
  readonly STEPS_PIDS: string;
  /** Bytes; 0 for no limit. */
  readonly STORE_BYTES: string;
}

// sed on JSON is safe here: in the text of a string every quote has a backslash before it, so that these patterns can only
// match a whole string, which is an item of a list of capabilities, or an argument of that very text.
const runcScript = `#!/bin/sh
bundle=
previous=
for argument in "$@"; do
  case "$argument" in --bundle=*) bundle=\${argument#--bundle=} ;; esac
  case "$previous" in --bundle | -b) bundle=$argument ;; esac
  previous=$argument
done
if [ -n "$bundle" ] && [ -f "$bundle/config.json" ]; then
  grep -q '"type": *"network"' "$bundle/config.json" || { echo "a step has no network of its own" >&2; exit 1; }
  sed -i -e 's/"CAP_NET_RAW", *//g' -e 's/, *"CAP_NET_RAW"//g' -e 's/"CAP_NET_RAW"//g' "$bundle/config.json" || exit 1
fi
exec @RUNC@ "$@"
`;

export const startScript = `set -eu
umask 022
mkdir -p /run/bot-runner/bin
printf %s "$DAEMON_JSON" > /run/bot-runner/daemon.json
sed "s|@RUNC@|$(command -v runc)|" > /run/bot-runner/bin/runc <<'END'
${runcScript}END
chmod 755 /run/bot-runner/bin/runc
ln -s runc /run/bot-runner/bin/buildkit-runc
export PATH=/run/bot-runner/bin:$PATH

if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mount -o remount,rw,bind /sys/fs/cgroup
  mkdir -p /sys/fs/cgroup/init
  for process in $(cat /sys/fs/cgroup/cgroup.procs); do
    echo "$process" > /sys/fs/cgroup/init/cgroup.procs || true
  done
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control || true
  done
  mkdir -p /sys/fs/cgroup/steps
  echo "$STEPS_MEMORY" > /sys/fs/cgroup/steps/memory.max
  echo 0 > /sys/fs/cgroup/steps/memory.swap.max || true
  echo "$STEPS_PIDS" > /sys/fs/cgroup/steps/pids.max
else
  for folder in /sys/fs/cgroup/*; do
    if grep -q " $folder cgroup " /proc/mounts; then mount -o remount,rw,bind "$folder"; fi
  done
  mkdir -p /sys/fs/cgroup/memory/steps /sys/fs/cgroup/pids/steps
  echo "$STEPS_MEMORY" > /sys/fs/cgroup/memory/steps/memory.limit_in_bytes
  echo "$STEPS_MEMORY" > /sys/fs/cgroup/memory/steps/memory.memsw.limit_in_bytes 2>/dev/null || true
  echo "$STEPS_PIDS" > /sys/fs/cgroup/pids/steps/pids.max
fi

sized_store() {
  [ "$STORE_BYTES" != 0 ] || return 1
  [ -c /dev/loop-control ] || mknod /dev/loop-control c 10 237 || return 1
  mkdir -p /var/lib/builder
  # One that cannot be mounted is damaged. It holds a cache, which is made again.
  for store in kept new; do
    [ "$store" = kept ] || rm -f /store/disk.img
    if [ ! -f /store/disk.img ]; then
      truncate -s "$STORE_BYTES" /store/new.img || return 1
      mkfs.ext4 -q -F -m 0 -E lazy_itable_init=1,nodiscard /store/new.img || return 1
      mv /store/new.img /store/disk.img
    fi
    # Another builder may take the device that was free a moment ago.
    for try in 1 2 3 4 5; do
      device=$(losetup -f) || return 1
      [ -b "$device" ] || mknod "$device" b 7 "\${device#/dev/loop}" || return 1
      mount -o loop,discard /store/disk.img /var/lib/builder 2>/dev/null && return 0
    done
  done
  return 1
}
if sized_store 2>/dev/null; then
  echo sized > ${storeNoteFile}
else
  mkdir -p /store/plain /var/lib/builder
  mount --bind /store/plain /var/lib/builder
  echo plain > ${storeNoteFile}
fi
exec dockerd --config-file /run/bot-runner/daemon.json --mtu "$(cat /sys/class/net/eth0/mtu)"
`;

export interface DaemonSettings {
  /** Name servers for steps; the engine's own way of finding them when empty. */
  readonly dns: readonly string[];
  /** As the bots' engine has them. */
  readonly insecureRegistries: readonly string[];
  readonly registryMirrors: readonly string[];
  /** How much the cache of BuildKit may keep, in bytes. */
  readonly cacheBytes: number;
}

/** The engine's daemon.json: https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file. */
export function daemonJson({ dns, insecureRegistries, registryMirrors, cacheBytes }: DaemonSettings): string {
  return JSON.stringify({
    hosts: [builderSocket],
    group: 'root',
    'data-root': '/var/lib/builder',
    'exec-root': '/run/bot-runner/exec',
    pidfile: '/run/bot-runner/docker.pid',
    'exec-opts': ['native.cgroupdriver=cgroupfs'],
    'cgroup-parent': '/steps',
    // Steps of different builds do not reach each other.
    icc: false,
    // Of a range for measurements (RFC 2544), which no network uses, so that it hides none.
    bip: '198.18.0.1/24',
    ...(dns.length > 0 && { dns }),
    'insecure-registries': insecureRegistries,
    'registry-mirrors': registryMirrors,
    'userland-proxy': false,
    'log-driver': 'none',
    'log-level': 'warn',
    builder: { gc: { enabled: true, defaultKeepStorage: `${Math.floor(cacheBytes / 1024 ** 2)}MB` } },
  });
}
