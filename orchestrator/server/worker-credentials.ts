/**
 * Who may speak as which worker. A worker makes its credential itself and makes it known with a join token; the orchestrator
 * keeps the sha256 alone. An id belongs to the first credential that joined under it, until an operator lets it join again.
 */
import { sha256Pattern, workerIdPattern } from '#common/ids.ts';
import { refuse } from '#common/problem.ts';
import type { Store } from '../store/store.ts';

interface Entry {
  readonly workerId: string;
  readonly revoked: AbortController;
}

export class WorkerCredentials {
  readonly #store: Store;
  readonly #byHash = new Map<string, Entry>();

  private constructor(store: Store) {
    this.#store = store;
  }

  static async load(store: Store): Promise<WorkerCredentials> {
    const credentials = new WorkerCredentials(store);
    for (const { workerId, credentialSha256 } of await store.look([], (tx) => tx.workers.allAccess())) {
      if (credentialSha256 !== null) credentials.#add(credentialSha256, workerId);
    }
    return credentials;
  }

  /** The worker whose credential has this sha256. */
  find(credentialSha256: string): { readonly workerId: string; readonly revoked: AbortSignal } | undefined {
    const entry = this.#byHash.get(credentialSha256);
    return entry && { workerId: entry.workerId, revoked: entry.revoked.signal };
  }

  /** Makes the id that of the credential; refuses when it is another's. Twice the same is fine. */
  async join(workerId: string, credentialSha256: string): Promise<void> {
    if (!workerIdPattern.test(workerId)) refuse('INVALID_WORKER', 'The worker id is not valid.');
    if (!sha256Pattern.test(credentialSha256)) {
      refuse('INVALID_WORKER', 'The credential is not a sha256.', { hint: 'Run the same release.' });
    }
    // Look-up and insert are one transaction: of two that join at once under an id, one is refused.
    await this.#store.change([], ({ workers }) => {
      const known = workers.access(workerId);
      const cure = `avtomatika-bot worker readmit ${workerId}`;
      if (known?.revoked) {
        refuse('PERMISSION_DENIED', `The worker ${workerId} was revoked.`, {
          hint: `An operator can readmit it with: ${cure}`,
        });
      }
      if (known?.credentialSha256 === credentialSha256) return;
      if (known !== undefined && known.credentialSha256 !== null) {
        refuse('PERMISSION_DENIED', `The worker id ${workerId} belongs to a worker with another credential.`, {
          hint: `If this is that worker and it has lost its DATA_DIR, an operator can readmit it with: ${cure}. Otherwise set a different WORKER_ID.`,
        });
      }
      if (workers.accessWith(credentialSha256) !== undefined) {
        refuse('PERMISSION_DENIED', 'The credential belongs to another worker id.', {
          hint: 'Give each worker its own DATA_DIR.',
        });
      }
      workers.putAccess({ workerId, credentialSha256, revoked: false });
    });
    if (!this.#byHash.has(credentialSha256)) this.#add(credentialSha256, workerId);
  }

  /** The credential is of no use from now on, and the id may not join. What is open with it ends. */
  revoke(workerId: string): Promise<void> {
    return this.#forget(workerId, true);
  }

  /** The id may join with any credential, once. */
  readmit(workerId: string): Promise<void> {
    return this.#forget(workerId, false);
  }

  async #forget(workerId: string, revoked: boolean): Promise<void> {
    await this.#store.change([], ({ workers }) => workers.putAccess({ workerId, credentialSha256: null, revoked }));
    for (const [sha256, entry] of this.#byHash) {
      if (entry.workerId !== workerId) continue;
      entry.revoked.abort();
      this.#byHash.delete(sha256);
    }
  }

  #add(credentialSha256: string, workerId: string): void {
    this.#byHash.set(credentialSha256, { workerId, revoked: new AbortController() });
  }
}
