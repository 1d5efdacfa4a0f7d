/** What the operator sets for all builds: bases, package indexes, proxy, bounds. */
import type { Language } from '#common/language.ts';

export interface BuildSettings {
  /** Index of Python packages; pip's own default when undefined. May hold credentials: never shown. */
  readonly pipIndexUrl?: string | undefined;
  /** Registry of Node packages; npm's own default when undefined. May hold credentials: never shown. */
  readonly npmRegistry?: string | undefined;
  /** Proxy for builds, which get it without its login. May hold credentials: never shown. */
  readonly httpsProxy?: string | undefined;
  /** Hosts that builds reach without the proxy, as a comma list. */
  readonly noProxy?: string | undefined;
  /** Memory of one build step in bytes; default 1 GiB. */
  readonly memoryBytes?: number | undefined;
  /** CPU time of one build step in thousandths of a core; default 1000. */
  readonly cpuMillis?: number | undefined;
}

export type BaseImages = Readonly<Record<Language, string>>;

/**
 * The settings as the variables that pip, npm and most downloaders read. An index in cleartext is one that the operator
 * chose, and pip refuses such an index unless its host is named as trusted.
 */
export function buildVariables(settings: BuildSettings): Readonly<Record<string, string>> {
  const variables: Record<string, string> = {};
  if (settings.pipIndexUrl) {
    variables['PIP_INDEX_URL'] = settings.pipIndexUrl;
    const url = URL.parse(settings.pipIndexUrl);
    if (url?.protocol === 'http:') variables['PIP_TRUSTED_HOST'] = url.host;
  }
  if (settings.npmRegistry) variables['NPM_CONFIG_REGISTRY'] = settings.npmRegistry;
  if (settings.httpsProxy) variables['HTTPS_PROXY'] = withoutLogin(settings.httpsProxy);
  if (settings.httpsProxy && settings.noProxy) variables['NO_PROXY'] = settings.noProxy;
  return variables;
}

/** A build is a program of its user's: what it gets, he has. */
function withoutLogin(proxy: string): string {
  const url = URL.parse(proxy);
  if (url === null || (url.username === '' && url.password === '')) return proxy;
  return `${url.protocol}//${url.host}${url.pathname === '/' ? '' : url.pathname}`;
}

/** Texts that must not be shown: the user information of the settings' URLs. */
export function settingSecrets(settings: BuildSettings): readonly string[] {
  return [settings.pipIndexUrl, settings.npmRegistry, settings.httpsProxy].flatMap((text) => {
    const url = text ? URL.parse(text) : null;
    if (!url) return [];
    return [url.username, url.password].flatMap((part) => (part === '' ? [] : [part, decodeURIComponent(part)]));
  });
}
