/** The platform that images are built on and for, as the variables that BuildKit gives to every Dockerfile. Pure. */
export interface Platform {
  /** For example linux. */
  readonly os: string;
  /** As Go and Docker name it, for example amd64, arm64, arm. */
  readonly architecture: string;
  /** For arm only: v6, v7; otherwise ''. */
  readonly variant: string;
}

const aliases: Readonly<Record<string, string>> = { x86_64: 'amd64', 'x86-64': 'amd64', aarch64: 'arm64' };

/** `machine` is the processor as the kernel names it, for example armv7l. */
export function platformOf(os: string, architecture: string, machine: string): Platform {
  const variant = architecture === 'arm' ? (/^armv(\d)/.exec(machine)?.[1] ?? '7') : '';
  return { os, architecture, variant: variant === '' ? '' : `v${variant}` };
}

const platformName = ({ os, architecture, variant }: Platform): string =>
  [os, architecture, variant].filter((part) => part !== '').join('/');

/** https://docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope */
export function platformVariables(platform: Platform): ReadonlyMap<string, string> {
  const of = (prefix: string): [string, string][] => [
    [`${prefix}PLATFORM`, platformName(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant],
  ];
  return new Map([...of('BUILD'), ...of('TARGET'), ['TARGETSTAGE', 'default']]);
}

/** Whether a platform as people write it (linux/amd64, amd64, linux/arm64/v8) is this one. */
export function isPlatform(written: string, platform: Platform): boolean {
  const parts = written.toLowerCase().split('/');
  const [os, processor = '', variant = ''] = parts.length === 1 ? [platform.os, ...parts] : parts;
  const architecture = aliases[processor] ?? processor;
  const usual = architecture === 'arm64' && variant === 'v8' ? '' : variant;
  return os === platform.os && architecture === platform.architecture && (usual === '' || usual === platform.variant);
}
