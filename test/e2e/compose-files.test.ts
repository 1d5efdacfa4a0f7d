/** The compose files hand on all settings that there are. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { orchestratorVariables } from '../../orchestrator/config.ts';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { workerVariables } from '../../worker/config.ts';

describe('the compose files', () => {
  const text = readFileSync(checkoutPath('compose.services.yml'), 'utf8');
  const [orchestrator = '', worker = ''] =
    text.split('\n  orchestrator:\n')[1]?.split('\n  bot-runner-worker:\n') ?? [];
  const namesOf = (variables: object): string[] => Object.values(variables).map(({ name }) => name);

  it('hand every setting of the orchestrator on, but those that the container or the other files fix', () => {
    // The image and the published port fix the first five; the others are in compose.yml, compose.tls.yml and .env.development.
    const fixed = ['HOST', 'PORT', 'DATA_DIR', 'DATABASE_URL', 'SECRETS_KEY'];
    const elsewhere = ['TLS_CERT', 'TLS_KEY', 'ALLOW_CLEARTEXT', 'PUBLISHED_AT', 'ALLOW_DEVELOPMENT_TOKENS'];
    const tokens = ['CLIENT_TOKEN', 'ADMIN_TOKEN', 'WORKER_TOKEN'];
    const left = namesOf(orchestratorVariables).filter((name) => !orchestrator.includes(`      ${name}: `));
    expect(left.toSorted()).toEqual([...fixed, ...elsewhere, ...tokens].toSorted());
  });

  it('hand every setting of the worker on, but those that the container or the other files fix', () => {
    const left = namesOf(workerVariables).filter((name) => !worker.includes(`      ${name}: `));
    const elsewhere = ['ORCHESTRATOR_URL', 'WORKER_ID', 'WORKER_TOKEN'];
    expect(left.toSorted()).toEqual(['DATA_DIR', 'HEALTH_SOCKET', 'RUNTIME', ...elsewhere].toSorted());
  });
});
