/** What tests of typed calls have in common: who calls, and how a call was refused. */
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import { ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';

/** Calls with the token. */
export const bearer =
  (token: string): Interceptor =>
  (next) =>
  (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };

/** The name of the code that the call was refused with, and our own code beside it; what was thrown if it was no refusal. */
export async function refusalOf(call: Promise<unknown>): Promise<unknown> {
  const error = await call.then(
    () => 'it was taken',
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) return error;
  return [Code[error.code], error.findDetails(ErrorDetailSchema)[0]?.code];
}
