/** What would keep bots in better still, for the operator. Pure. */
import { type EngineFacts, isSandbox } from './engine-facts.ts';
import type { Seen } from './probe.ts';

/** Empty where nothing would. */
export function adviceOf(facts: EngineFacts, seen: Pick<Seen, 'ringsOff'>, runtimeClass: string | undefined): string {
  const sharesKernel = !isSandbox(runtimeClass);
  return [
    ...(sharesKernel && facts.letsRingsThrough && seen.ringsOff !== 2
      ? [
          'Bots can use io_uring: run sysctl -w kernel.io_uring_disabled=2 on the host (Linux 6.6), or use Docker 25 or newer.',
        ]
      : []),
    ...(sharesKernel && facts.letsCryptoThrough
      ? [
          'Bots may use AF_ALG sockets: if the kernel lacks the fix for CVE-2026-31431, forbid the module algif_aead on the host (install algif_aead /bin/false in /etc/modprobe.d), or use Docker 29.4.2 or newer.',
        ]
      : []),
    ...(facts.liveRestore
      ? []
      : ['With "live-restore": true in its daemon.json bots outlive a restart of the engine.']),
  ].join(' ');
}
