/** A certificate of an authority that only the machine of an operator knows. */
import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkoutPath } from '../../../scripts/process/checkout.ts';
import { fencedBlocks } from '../../readme/fenced-blocks.ts';

/** Makes one of its own authority in the folder tls of `dir`, and returns what docs/DEPLOY.md adds for the worker to trust it. */
export function privateAuthority(dir: string): string {
  mkdirSync(join(dir, 'tls'));
  const [key, cert] = [join(dir, 'tls/key.pem'), join(dir, 'tls/cert.pem')];
  const names = ['DNS:bots.example.org', 'DNS:localhost', ...[...Array(254).keys()].map((n) => `IP:10.99.${n + 1}.1`)];
  const subject = ['-subj', '/CN=bots.example.org', '-addext', `subjectAltName=${names.join(',')}`];
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  execFileSync('openssl', [...made, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
  // The orchestrator's user, who must be able to read it.
  chownSync(key, 1000, 1000);
  const page = readFileSync(checkoutPath('docs/DEPLOY.md'), 'utf8');
  const block = fencedBlocks(page).find(({ file }) => file === 'compose.ca.yml');
  return block?.text.replace('/etc/bot-runner/ca.pem', './tls/cert.pem') ?? '';
}
