import { expect, it } from 'vitest';
import { complaintAbout } from './start-main.js';

it.each(['18.20.0', '20.20.2', '22.19.0', '23.11.1', ''])('Node.js %j is too old', (version) => {
  expect(complaintAbout(version)).toBe(`Node.js 24 or newer is needed, and this is ${version}`);
});

it.each(['24.0.0', '24.21.0', '26.1.0-nightly'])('Node.js %s will do', (version) => {
  expect(complaintAbout(version)).toBeUndefined();
});
