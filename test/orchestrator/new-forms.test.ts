/** Commands and requirements files in a fleet that has workers of 0.1.0: those get what they know, and nothing else. */
import { describe, expect, it } from 'vitest';
import { accepted, connect, eachWithOrchestrator, job, untilFinal } from './played-workers.ts';

const old = ['mode.simple', 'language.python', 'language.node'];
const start = (data: object) => ({ action: 'start', bot_id: 'echo', deployment_mode: 'simple', ...data });

describe('a worker of 0.1.0', () => {
  eachWithOrchestrator();

  it.each<[string, object, object]>([
    [
      'a requirements.txt that is a plain list as a list',
      { files: { 'bot.py': '', 'requirements.txt': 'aiogram>=3 # x\n' } },
      { entrypoint: 'bot.py', requirements: ['aiogram>=3'], requirementFiles: [], command: [] },
    ],
    [
      'a Procfile that runs one file as an entrypoint',
      { files: { Procfile: 'worker: python3 src/run.py', 'src/run.py': '' } },
      { entrypoint: 'src/run.py', command: [] },
    ],
  ])('gets %s', async (_title, data, value) => {
    const worker = await connect('old', { capabilities: old });
    await accepted(start(data));
    expect((await worker.take('ensure')).spec?.source).toMatchObject({ case: 'simple', value });
  });

  it.each<[string, object, string, object]>([
    [
      'a command',
      { files: { 'a/__main__.py': '', x: '' } },
      'run.command',
      { command: ['python', '-m', 'a'], entrypoint: '' },
    ],
    [
      'files to install from',
      { files: { 'bot.py': '', 'requirements.txt': '-e .' } },
      'requirements.files',
      { requirementFiles: ['requirements.txt'], requirements: [] },
    ],
  ])('gets no bot with %s, which waits for a newer one', async (_title, data, capability, value) => {
    const worker = await connect('old', { capabilities: old });
    const id = await accepted(start(data));
    expect(await job(id)).toMatchObject({ status: 'waiting_for_worker', reason: `old cannot do ${capability}` });
    const newer = await connect('new', { capabilities: [...old, 'requirements.files', 'run.command'] });
    const ensure = await newer.take('ensure');
    expect(ensure.spec?.source).toMatchObject({ case: 'simple', value });
    newer.succeed(ensure);
    expect(await untilFinal(id)).toMatchObject({ status: 'completed' });
    expect(worker.heard.filter(({ body }) => body.case === 'ensure')).toEqual([]);
  });
});
