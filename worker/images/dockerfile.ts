/**
 * The Dockerfiles of simple mode. Nothing that a user wrote is ever formatted into their text: files and requirements are data in
 * the build context (build-context.ts), the entrypoint is the container's command.
 *
 * An image holds the packages; the code is copied into each container (code-archive.ts), so that an update of the code alone is no
 * build. Only where packages are installed in the folder of the code is the code in the image too.
 * Every layer after the LABEL belongs to one bot on one worker: no two users share a cached layer, and what a failed or
 * killed build left behind is found by that label.
 */
import type { Language } from '#common/language.ts';
import type { InstallPlan } from './install/install-plan.ts';

/** Uid and gid inside the container; owns /app, /data, /packages and its home. */
export const botUid = 10001;
export const botUser = `${botUid}:${botUid}`;

export const appDir = '/app';
export const dataDir = '/data';
/** Label on each layer and step of a build; its value is buildScope(). */
export const buildLabel = 'bot_runner.build';

// skeleton/ holds the empty folders app, data and packages. Copied into "/" they get their owner even if the base image has
// folders of these names, which COPY to the folder itself would leave to root.
// The scope is written out: Podman takes layers from its cache whatever the build arguments are.
const beginning = (scope: string) => `ARG BASE_IMAGE
FROM \${BASE_IMAGE}
LABEL ${buildLabel}=${scope}
COPY --chown=${botUser} skeleton/ /
COPY --chown=${botUser} home/ /home/bot/
`;

const code = `COPY --chown=${botUser} app/ ${appDir}/
`;
const ending = `WORKDIR ${appDir}
ENTRYPOINT []
`;

const environment = `HOME=/home/bot LANG=C.UTF-8 PATH=/packages/bin:\${PATH}`;

const pipOptions = '--user --no-cache-dir --disable-pip-version-check --no-input';
const pythonSettings = `ARG PIP_INDEX_URL
ARG PIP_TRUSTED_HOST
COPY requirements/ /opt/bot-requirements/
`;

// pip runs as the bot's user: the build scripts of packages are code of strangers, and need no root.
const python = {
  environment: `ENV ${environment} PYTHONUNBUFFERED=1 PYTHONUSERBASE=/packages
USER ${botUser}
`,
  list: `${pythonSettings}RUN python -m pip install ${pipOptions} -r /opt/bot-requirements/requirements.txt
`,
  apart: `${pythonSettings}RUN cd /opt/bot-requirements/files && python ../install.py ${pipOptions}
`,
  in_place: `${pythonSettings}RUN cd ${appDir} && python /opt/bot-requirements/install.py ${pipOptions}
`,
};

// skeleton/ links /node_modules to /packages/node_modules: Node looks for packages in the folders above /app, and unlike
// NODE_PATH this works for import as well as for require.
const npmOptions = '--omit=dev --no-audit --no-fund --cache=/tmp/npm-cache';
// npm takes the shrinkwrap if there are both. Without a lock it is not to write one: nobody would see it.
const npmByFiles = `if [ -f npm-shrinkwrap.json ] || [ -f package-lock.json ]; then npm ci ${npmOptions}; else npm install --no-package-lock ${npmOptions}; fi && rm -rf /tmp/npm-cache`;
const nodeSettings = `ARG NPM_CONFIG_REGISTRY
`;
const node = {
  environment: `ENV ${environment}:/packages/node_modules/.bin NODE_ENV=production NPM_CONFIG_UPDATE_NOTIFIER=false
USER ${botUser}
`,
  list: `${nodeSettings}COPY --chown=${botUser} requirements/ /packages/
RUN cd /packages && npm install --omit=dev --no-audit --no-fund --no-package-lock --cache=/tmp/npm-cache && rm -rf /tmp/npm-cache
`,
  apart: `${nodeSettings}COPY --chown=${botUser} requirements/ /packages/
RUN cd /packages && ${npmByFiles}
`,
  in_place: `${nodeSettings}ENV PATH=${appDir}/node_modules/.bin:\${PATH}
RUN cd ${appDir} && ${npmByFiles}
`,
};

const parts = { python, node } as const satisfies Record<Language, unknown>;

/** The form of buildScope(): our own ids and digests, with nothing special to a Dockerfile. */
const scopePattern = /^[\w-]{1,64}\.[a-z2-7]{1,32}$/;

/** The Dockerfile for a language, with the step that installs packages if there are any. Throws on an invalid scope. */
export function simpleDockerfile(language: Language, scope: string, install: InstallPlan['how'] | undefined): string {
  if (!scopePattern.test(scope)) throw new Error('not a scope of builds');
  const steps = parts[language];
  const start = `${beginning(scope)}${steps.environment}`;
  if (install === 'in_place') return `${start}${code}${steps.in_place}${ending}`;
  return `${start}${install === undefined ? '' : steps[install]}${ending}`;
}

/** What runs inside an image of the simple mode. */
export interface SimpleStart {
  readonly language: Language;
  /** Relative path within the bot's folder; empty with a command. */
  readonly entrypoint: string;
  /** What runs instead, in the bot's folder: program and arguments. */
  readonly command?: readonly [string, ...string[]] | undefined;
}

/** What the container runs; the shapes are the ones of the interface. */
export function simpleCommand({ language, entrypoint, command }: SimpleStart): readonly string[] {
  if (command !== undefined) return command;
  return language === 'python' ? ['python', '-u', entrypoint] : ['node', entrypoint];
}
