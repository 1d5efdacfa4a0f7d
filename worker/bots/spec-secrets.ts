/** What in a spec must not be shown in any output: values of its environment, passwords for its source. Pure. */
import type { BotSpec, Credentials } from '#gen/botrunner/v1/bot_pb.js';
import { secretValues } from '../logs/masking.ts';

/** `env`: what the operator gives to every bot. */
export function specSecrets(spec: BotSpec, env: Readonly<Record<string, string>>): readonly string[] {
  return [...secretValues({ ...env, ...spec.env }), ...credentialSecrets(credentialsOf(spec))];
}

function credentialsOf({ source }: BotSpec): Credentials | undefined {
  if (source.case === 'image') return source.value.credentials;
  if (source.case === 'custom' && source.value.from.case === 'git') return source.value.from.value.credentials;
  return undefined;
}

/** The password, and how HTTP carries it together with the user (https://www.rfc-editor.org/rfc/rfc7617). */
function credentialSecrets(credentials: Credentials | undefined): readonly string[] {
  if (credentials === undefined || credentials.password === '') return [];
  const { username, password } = credentials;
  return [password, Buffer.from(`${username}:${password}`).toString('base64')];
}
