import { expect, it } from 'vitest';
import { aBot } from '../../store/testing/rows.ts';
import type { Observed } from '../records.ts';
import { observed } from './settled.ts';

it('what changes by itself is kept, and is no news', () => {
  const bot = aBot('bot', { workerId: 'w1', epoch: 1, state: 'running', observed: { containerId: 'c1' } });
  const seen = (more: Observed) =>
    observed(bot, 'w1', { epoch: 1, state: 'running', observed: { containerId: 'c1', ...more }, observedAt: 1 });
  const disk = { dataBytes: 1, dataLimitBytes: 2, layerBytes: 3, layerLimitBytes: 4 };
  const protection = { readOnly: true, runtimeClass: 'runc', user: 'root', disk: 'sized' } as const;
  expect(seen({ disk, protection })).toMatchObject({ isNews: false, bot: { observed: { disk, protection } } });
  expect(seen({ disk, protection, restarts: 1 })).toMatchObject({ isNews: true });
});
