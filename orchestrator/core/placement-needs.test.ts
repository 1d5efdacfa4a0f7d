import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { BotLanguage, BotSpecSchema, type SimpleSourceSchema } from '#gen/botrunner/v1/bot_pb.js';
import { neededCapabilities } from './placement-needs.ts';

it('asks for a read-only root file system where the bot is to have one, whatever its source', () => {
  const image = { case: 'image', value: { image: 'busybox:1' } } as const;
  expect(neededCapabilities(create(BotSpecSchema, { source: image }))).toEqual(['mode.image']);
  expect(neededCapabilities(create(BotSpecSchema, { source: image, readOnly: false }))).toEqual(['mode.image']);
  expect(neededCapabilities(create(BotSpecSchema, { source: image, readOnly: true }))).toEqual([
    'mode.image',
    'container.read_only',
  ]);
});

const needed = (value: MessageInitShape<typeof SimpleSourceSchema>) =>
  neededCapabilities(create(BotSpecSchema, { source: { case: 'simple', value } }));

it('asks for what a worker of 0.1.0 cannot do only where the bot needs it', () => {
  const old = { entrypoint: 'bot.py', requirements: ['a'], language: BotLanguage.PYTHON };
  expect(needed(old)).toEqual(['mode.simple', 'language.python']);
  expect(needed({ ...old, requirements: [], requirementFiles: ['r.txt'] })).toContain('requirements.files');
  expect(needed({ command: ['python', '-m', 'x'], language: BotLanguage.PYTHON })).toContain('run.command');
});
