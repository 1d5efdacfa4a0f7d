/** What went wrong in a storm, by what is known of it. Pure, and tested with records of storms that went wrong. */
import { checkEnding } from './checks/ending.ts';
import { checkEvents } from './checks/events.ts';
import { checkInstances } from './checks/instances.ts';
import { checkRequests } from './checks/requests.ts';
import type { Finding, StormRecord } from './record.ts';

export const checkStorm = (record: StormRecord): readonly Finding[] => [
  ...checkRequests(record),
  ...checkInstances(record),
  ...checkEvents(record),
  ...checkEnding(record),
  ...record.leftovers.map((text): Finding => ({ rule: 'left behind', text })),
  ...record.deaths.map((text): Finding => ({ rule: 'death', text })),
];
