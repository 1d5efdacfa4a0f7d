import { expect, it } from 'vitest';
import { actions, actionsThat, changesBot, isBotAction, rowOf } from './actions.ts';

it('users may ask for every action that they begin, and for no other', () => {
  expect(actions.toSorted()).toEqual(actionsThat(({ begunBy }) => begunBy === 'user').toSorted());
});

it('says of each action what it is', () => {
  const those = (is: Parameters<typeof actionsThat>[0]) => actionsThat(is).toSorted().join(' ');
  expect(those(({ reads }) => reads !== null)).toBe('config list logs status');
  expect(those(({ takesPlace }) => takesPlace)).toBe('restart start update');
  expect(those(({ deploys }) => deploys)).toBe('configure move restart start update');
  expect(those(({ deadline }) => deadline === 'deployment')).toBe('configure move restart start update');
  expect(those(({ replaces }) => replaces)).toBe('configure start update');
  expect(those(({ endsOthers }) => endsOthers)).toBe('delete stop');
  expect(those(({ undo }) => undo === 'before')).toBe('configure restart start update');
});

it('an action that reads undoes nothing and takes no place; one that ends others stands', () => {
  for (const action of actionsThat(() => true)) {
    const row = rowOf(action);
    if (!changesBot(action)) expect(row).toMatchObject({ undo: 'nothing', takesPlace: false, deploys: false });
    if (row.endsOthers) expect(row.undo).toBe('stands');
    if (row.takesPlace) expect(row.deploys).toBe(true);
  }
});

it('a job without an action does nothing of all that', () => {
  for (const action of ['', 'unreadable'] as const) {
    expect(rowOf(action)).toMatchObject({ deploys: false, takesPlace: false, deadline: 'other', endsOthers: false });
    expect(changesBot(action)).toBe(false);
  }
  expect(isBotAction('toString')).toBe(false);
});
