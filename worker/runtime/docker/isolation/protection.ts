/** How a container is kept apart: from GET /containers/{id}/json. Pure. */
import type { ContainerProtection } from '../../container-runtime.ts';
import { type JsonRecord, record, text } from '../answers.ts';
import { isRoot } from '../container-options.ts';

/** An image may name a user of many thousand characters, and this is part of each report. */
const nameLengthMax = 128;

export function protectionOf(container: JsonRecord): ContainerProtection {
  const host = record(container['HostConfig']);
  const user = text(record(container['Config'])['User']);
  return {
    readOnly: host['ReadonlyRootfs'] === true,
    // For Podman the other field is always "oci".
    runtimeClass: (text(container['OCIRuntime']) || text(host['Runtime'])).slice(0, nameLengthMax),
    user: isRoot(user) ? 'root' : user.slice(0, nameLengthMax),
  };
}
