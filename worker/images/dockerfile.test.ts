import { describe, expect, test } from 'vitest';
import { buildVariables, settingSecrets } from './build-settings.ts';
import { simpleCommand, simpleDockerfile } from './dockerfile.ts';

const scope = 'worker-1.abcdefghijklmnop';

describe('the Dockerfile of simple mode', () => {
  test('for Python installs the requirements without the code, and not as root', () => {
    expect(simpleDockerfile('python', scope, 'list')).toBe(`ARG BASE_IMAGE
FROM \${BASE_IMAGE}
LABEL bot_runner.build=worker-1.abcdefghijklmnop
COPY --chown=10001:10001 skeleton/ /
COPY --chown=10001:10001 home/ /home/bot/
ENV HOME=/home/bot LANG=C.UTF-8 PATH=/packages/bin:\${PATH} PYTHONUNBUFFERED=1 PYTHONUSERBASE=/packages
USER 10001:10001
ARG PIP_INDEX_URL
ARG PIP_TRUSTED_HOST
COPY requirements/ /opt/bot-requirements/
RUN python -m pip install --user --no-cache-dir --disable-pip-version-check --no-input -r /opt/bot-requirements/requirements.txt
WORKDIR /app
ENTRYPOINT []
`);
  });

  test.each(['', 'a', 'worker-1.a b', 'worker-1.abc\nRUN x', '${X}.abc'])('is not written with the scope %j', (bad) => {
    expect(() => simpleDockerfile('python', bad, undefined)).toThrow('not a scope');
  });

  test.each(['python', 'node'] as const)('for %s without requirements runs nothing at build time', (language) => {
    const text = simpleDockerfile(language, scope, undefined);
    expect(text).not.toMatch(/^RUN/m);
    expect(text).not.toMatch(/\n\n/);
  });

  test('gives the entrypoint as one argument of the command', () => {
    expect(simpleCommand({ language: 'python', entrypoint: 'a/bot.py' })).toEqual(['python', '-u', 'a/bot.py']);
    expect(simpleCommand({ language: 'node', entrypoint: 'bot.mjs' })).toEqual(['node', 'bot.mjs']);
  });
});

describe('the settings of the operator', () => {
  test('reach the build under the names that the installers read', () => {
    const settings = {
      pipIndexUrl: 'http://10.0.0.5:3141/simple/',
      npmRegistry: 'https://npm.example.org/',
      httpsProxy: 'http://proxy.example.org:3128',
      noProxy: 'npm.example.org,10.0.0.5',
    };
    expect(buildVariables(settings)).toEqual({
      PIP_INDEX_URL: 'http://10.0.0.5:3141/simple/',
      PIP_TRUSTED_HOST: '10.0.0.5:3141',
      NPM_CONFIG_REGISTRY: 'https://npm.example.org/',
      HTTPS_PROXY: 'http://proxy.example.org:3128',
      NO_PROXY: 'npm.example.org,10.0.0.5',
    });
    expect(buildVariables({ pipIndexUrl: 'https://pypi.example.org/simple' })).toEqual({
      PIP_INDEX_URL: 'https://pypi.example.org/simple',
    });
    expect(buildVariables({})).toEqual({});
  });

  test.each([
    'http://user:pass@proxy.example.org:3128',
    'http://user:p@ss@proxy.example.org:3128/',
    'http://user@proxy.example.org:3128',
  ])('never reach it as a login: %s', (httpsProxy) =>
    expect(buildVariables({ httpsProxy })).toEqual({ HTTPS_PROXY: 'http://proxy.example.org:3128' }),
  );

  test('without a proxy need no exceptions', () => {
    expect(buildVariables({ noProxy: 'a.example.org' })).toEqual({});
  });

  test('name the credentials in their URLs, which no output may show', () => {
    expect(
      settingSecrets({ pipIndexUrl: 'https://user:p%40ss@pypi.example.org/simple', httpsProxy: 'proxy:3128' }),
    ).toEqual(['user', 'user', 'p%40ss', 'p@ss']);
  });
});
