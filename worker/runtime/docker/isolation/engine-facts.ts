/** What an engine says of how it keeps containers apart: from GET /info. Pure. */
import { list, record, text } from '../answers.ts';

export interface EngineFacts {
  /** Root in a container is another user on the host: `userns` for all containers, or the whole engine is `rootless`. */
  readonly userNamespace: 'userns' | 'rootless' | undefined;
  /** Of the host. */
  readonly cgroupVersion: string;
  /** The limits that it cannot enforce, in words for people. */
  readonly missingLimits: readonly string[];
  /** Its default seccomp profile: whether it is there and filters. */
  readonly seccomp: boolean;
  /** AppArmor or SELinux confine containers too. */
  readonly confinedBy: string | undefined;
  readonly runtimes: readonly string[];
  /** Its default profile lets io_uring through, of whose holes many were found: that of Docker before version 25. */
  readonly letsRingsThrough: boolean;
  /**
   * Its default profile lets AF_ALG through, the sockets of the kernel's cryptography: that of Docker before version 29.4.2. On kernels without the fix for
   * CVE-2026-31431 a program with such a socket can change files in memory that containers share. https://docs.docker.com/engine/release-notes/29/
   */
  readonly letsCryptoThrough: boolean;
  /** Containers outlive a restart of the engine. */
  readonly liveRestore: boolean;
  /** The release of the host's kernel, for example 6.1.0-30-amd64. */
  readonly kernel: string;
}

export function readEngineFacts(info: unknown): EngineFacts {
  const facts = record(info);
  const options = list(facts['SecurityOptions']).map(text);
  const has = (name: string) => options.some((option) => option.split(',').includes(`name=${name}`));
  const seccomp = options.find((option) => option.split(',').includes('name=seccomp'));
  const rootless = has('rootless');
  const cgroupVersion = text(facts['CgroupVersion']);
  // Without control groups that it may use, a rootless engine on version 1 reports limits that it does not set.
  const none = text(facts['CgroupDriver']) === 'none' || (rootless && cgroupVersion === '1');
  const limits = [
    ['MemoryLimit', 'memory'],
    ['CpuCfsQuota', 'CPU'],
    ['PidsLimit', 'the number of processes'],
  ] as const;
  return {
    userNamespace: rootless ? 'rootless' : has('userns') ? 'userns' : undefined,
    cgroupVersion,
    missingLimits: limits.flatMap(([field, what]) => (none || facts[field] === false ? [what] : [])),
    seccomp: seccomp !== undefined && !seccomp.includes('profile=unconfined'),
    confinedBy: has('apparmor') ? 'AppArmor' : has('selinux') ? 'SELinux' : undefined,
    runtimes: Object.keys(record(facts['Runtimes'])),
    letsRingsThrough: isBefore(text(facts['ServerVersion']), [25, 0, 0]),
    letsCryptoThrough: isBefore(text(facts['ServerVersion']), [29, 4, 2]),
    liveRestore: facts['LiveRestoreEnabled'] === true,
    kernel: text(facts['KernelVersion']),
  };
}

/** False for a version that cannot be read. */
function isBefore(version: string, other: readonly [number, number, number]): boolean {
  const [, ...parts] = /^(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?/.exec(version) ?? [];
  const at = other.findIndex((number, index) => Number(parts[index] ?? 0) !== number);
  return parts.length > 0 && at >= 0 && Number(parts[at] ?? 0) < (other[at] ?? 0);
}

/** For the version of the engine as people read it; empty where there is nothing to say. */
export function factsText({ userNamespace, missingLimits }: EngineFacts, runtimeClass: string | undefined): string {
  const words = [
    ...(userNamespace === 'userns' ? ['user namespaces'] : []),
    ...(userNamespace === 'rootless' ? ['rootless'] : []),
    ...(runtimeClass === undefined ? [] : [runtimeClass]),
    ...(missingLimits.length === 0 ? [] : ['limits do not hold']),
  ];
  return words.map((word) => `, ${word}`).join('');
}

/** Runtimes that give a container a kernel of its own: by the names that their installers use, alone or as containerd's. */
export const isSandbox = (runtimeClass: string | undefined): boolean =>
  runtimeClass !== undefined && /^(?:io\.containerd\.)?(?:runsc|gvisor|kata)(?:[-_.].*)?$/i.test(runtimeClass);

/** What is wrong with a name, in words that follow the name of the setting; undefined for a good one. */
export const runtimeClassRule = 'must be the name of a runtime of the engine, for example runsc';
export const isRuntimeName = (name: string): boolean => /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/.test(name);
