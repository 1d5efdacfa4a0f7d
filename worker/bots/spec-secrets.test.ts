import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import { createMasker } from '../logs/masking.ts';
import { specSecrets } from './spec-secrets.ts';

const credentials = { username: 'me', password: 'swordfish-77' };
const basic = Buffer.from('me:swordfish-77').toString('base64');

it.each([
  ['a registry', create(BotSpecSchema, { source: { case: 'image', value: { image: 'r.example/a:1', credentials } } })],
  [
    'a git server',
    create(BotSpecSchema, {
      source: {
        case: 'custom',
        value: { from: { case: 'git', value: { url: 'https://git.example/a.git', credentials } } },
      },
    }),
  ],
])('the password for %s is masked in all output, also as a header and within a URL', (_what, spec) => {
  const mask = createMasker(specSecrets(spec, { API_TOKEN: 'of-the-operator' }));
  expect(mask(`fetching https://me:swordfish-77@git.example/a.git with Basic ${basic} of-the-operator`)).toBe(
    'fetching https://me:[masked]@git.example/a.git with Basic [masked] [masked]',
  );
});

it('a spec without credentials has only the secrets of its environment', () => {
  expect(specSecrets(create(BotSpecSchema, { env: { MY_TOKEN: 'abcdefgh1', PLAIN: 'abcdefgh2' } }), {})).toEqual([
    'abcdefgh1',
  ]);
});
