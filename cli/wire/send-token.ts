/** The user's token on every call of a transport. */
import type { Interceptor } from '@connectrpc/connect';
import type { Secret } from '#common/secret.ts';

export const sendToken =
  (token: Secret): Interceptor =>
  (next) =>
  (request) => {
    request.header.set('Authorization', `Bearer ${token.reveal()}`);
    return next(request);
  };
