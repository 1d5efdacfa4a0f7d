/**
 * A package index that builds reach with nothing set, as they reach PyPI elsewhere: the base image of Python bots names it
 * in /etc/pip.conf.
 */
import { baseImageNames } from '../base-images/base-images.ts';
import { FileSet } from '../base-images/file-set.ts';
import { callEngine } from '../private-engine/engine-api.ts';
import type { TestDocker } from '../test-docker.ts';

const plain = 'python:without-index';
const [repo, tag] = baseImageNames.python.split(':');
const buildTimeoutMs = 60_000;

/** Names the index of the tests in the engine's python:3.11-slim, until it is disposed of. */
export async function nameIndexInBaseImage({ host, pipIndexUrl }: TestDocker): Promise<AsyncDisposable> {
  const name = (image: string, as: string, asTag: string) =>
    call(host, `/images/${image}/tag?${new URLSearchParams({ repo: as, tag: asTag })}`, 'POST');
  await name(baseImageNames.python, 'python', 'without-index');
  const files = new FileSet();
  const { hostname } = new URL(pipIndexUrl);
  files.text('/pip.conf', `[global]\nindex-url = ${pipIndexUrl}\ntrusted-host = ${hostname}\n`);
  files.text('/Dockerfile', `FROM ${plain}\nCOPY pip.conf /etc/pip.conf\n`);
  const query = new URLSearchParams({ t: baseImageNames.python, rm: '1', forcerm: '1' });
  const built = await callEngine(host, `/build?${query}`, {
    method: 'POST',
    body: files.pack(),
    timeoutMs: buildTimeoutMs,
  });
  // The engine answers 200 first and reports failures in the stream.
  if (built.status !== 200 || built.text.includes('"error":')) throw new Error(built.text);
  return {
    async [Symbol.asyncDispose]() {
      await name(plain, repo ?? '', tag ?? '');
      await call(host, `/images/${plain}`, 'DELETE');
    },
  };
}

async function call(host: string, path: string, method: 'POST' | 'DELETE'): Promise<void> {
  const { status, text } = await callEngine(host, path, { method });
  if (status >= 300) throw new Error(`${method} ${path} was answered with ${status}: ${text}`);
}
