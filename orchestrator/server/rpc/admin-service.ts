/** AdminService: see proto/botrunner/v1/admin_service.proto. */
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import type { Clock } from '#common/clock.ts';
import { userIdPattern } from '#common/ids.ts';
import { refuse } from '#common/problem.ts';
import { type AdminService, TokenScope } from '#gen/botrunner/v1/admin_service_pb.js';
import type { Scope, TokenRecord } from '../../core/records.ts';
import { usageToProto } from '../../views/usage.ts';
import { type AdminSafetyDeps, createAdminSafety } from './admin-safety.ts';
import { createAdminStrays } from './admin-strays.ts';
import { type AdminWorkersDeps, createAdminWorkers } from './admin-workers.ts';
import { call } from './call.ts';

export type AdminServiceDeps = AdminWorkersDeps & AdminSafetyDeps & { readonly clock: Clock };

const scopes: Readonly<Record<Scope, TokenScope>> = {
  client: TokenScope.CLIENT,
  admin: TokenScope.ADMIN,
  worker: TokenScope.WORKER,
};
const example = 'avtomatika-bot token add --user ann --name laptop --scope client';

function parseScope(value: TokenScope): Scope {
  const found = Object.entries(scopes).find(([, scope]) => scope === value);
  if (found === undefined) refuse('INVALID_SCOPE', 'Unknown scope.', { details: { field: 'scope' }, example });
  return found[0] as Scope; // the keys of the table are Scopes
}

const show = ({ userId, name, scope, createdAt, source }: TokenRecord) => ({
  userId,
  name,
  scope: scopes[scope],
  createdAt: timestampFromMs(createdAt),
  configured: source === 'config',
});

const usersShown = 20;
const usersMax = 1_000;

/** Those with the most bytes of sources, then those of the other tokens. */
async function usageOfUsers({ store, engine, tokens }: AdminServiceDeps, limit: number) {
  const most = Math.min(Math.max(1, limit || usersShown), usersMax);
  const holding = await store.upkeep.holdingMost(most);
  const others = tokens.list().flatMap(({ userId, scope }) => (scope === 'client' ? [userId] : []));
  const userIds = [...new Set([...holding, ...others])].slice(0, most);
  return Promise.all(userIds.map(async (userId) => ({ userId, usage: usageToProto(await engine.usage(userId)) })));
}

export function createAdminService(deps: AdminServiceDeps): ServiceImpl<typeof AdminService> {
  const { tokens, clock } = deps;
  return {
    ...createAdminWorkers(deps),
    ...createAdminStrays(deps),
    ...createAdminSafety(deps),
    createToken: call(deps, 'admin', async ({ userId, name, scope }) => {
      if (!userIdPattern.test(userId)) {
        refuse('INVALID_USER_ID', 'The user id is not valid.', { details: { field: 'user_id' }, example });
      }
      if (!/^[A-Za-z0-9_.-]{1,64}$/.test(name)) {
        refuse('INVALID_TOKEN_NAME', 'The name of the token is not valid.', { details: { field: 'name' }, example });
      }
      const wanted = parseScope(scope);
      if (tokens.find(userId, name) !== undefined) {
        refuse('CONFLICTING_FIELDS', `The user ${userId} already has a token named ${name}.`, {
          details: { fields: ['user_id', 'name'] },
          hint: 'Choose another name, or revoke that token first.',
          example,
        });
      }
      const { record, value } = await tokens.create(userId, name, wanted, clock.wallMs());
      return { token: show(record), value: value.reveal() };
    }),
    listTokens: call(deps, 'admin', () => ({ tokens: tokens.list().map(show) })),
    listUsage: call(deps, 'admin', async ({ limit }) => ({ users: await usageOfUsers(deps, limit) })),
    revokeToken: call(deps, 'admin', async ({ userId, name }) => {
      const record = tokens.find(userId, name);
      if (record === undefined) refuse('TOKEN_NOT_FOUND', 'There is no such token.');
      if (record.source === 'config') {
        refuse('PERMISSION_DENIED', `${name} comes from the settings of the orchestrator.`, {
          hint: `Change ${name} there and restart the orchestrator.`,
        });
      }
      await tokens.revoke(record);
      return {};
    }),
  };
}
