/** pip, npm, git and system packages, in the output of a build. */
import { type Explanation, type Rule, rule } from './rule.ts';

const unreachable: Explanation = {
  what: 'the package index could not be reached from the build',
  cure: 'the operator sets PIP_INDEX_URL, NPM_CONFIG_REGISTRY or HTTPS_PROXY on the worker if packages come from elsewhere',
};
const certificate: Explanation = {
  what: 'the certificate of the package index is not trusted in the build',
  cure: 'the operator has to give an index with a valid certificate, or one over a network that does not replace it',
};
const credentials: Explanation = {
  what: 'the package index wants credentials',
  cure: 'the operator gives them in PIP_INDEX_URL or NPM_CONFIG_REGISTRY of the worker',
};

const brokenConnection =
  /NewConnectionError|ConnectTimeoutError|ReadTimeoutError|NameResolutionError|Temporary failure in name resolution|Failed to establish a new connection|RemoteDisconnected|ConnectionResetError/;
const untrusted =
  /SSLCertVerificationError|CERTIFICATE_VERIFY_FAILED|certificate verify failed|problem confirming the ssl certificate/;
/** As an index page of the index with a wrong password. */
const refused = /\b(?:401|403) (?:Client )?Error|error 40[13] while getting/i;

/** pip says at its end that there is no such package, whatever kept it from asking. */
const whyNothingFound = (before: readonly string[]): Explanation | undefined => {
  if (before.some((text) => untrusted.test(text))) return certificate;
  if (before.some((text) => refused.test(text))) return credentials;
  return before.some((text) => brokenConnection.test(text)) ? unreachable : undefined;
};

export const packageRules: readonly Rule[] = [
  rule('build', 'disk_full', /No space left on device|\bENOSPC\b/i, {
    what: 'the disk of the worker is full',
    cure: 'the operator has to free space on the worker',
  }),
  rule('build', 'index_unreachable', /No matching distribution found for /, (_, { before }) => whyNothingFound(before)),
  rule(
    'build',
    'python_version',
    /Ignored the following versions that require a different python version|requires a different Python: (\d[\d.]{0,10}) not in/,
    () => ({
      what: 'a required package does not exist for the Python of the build',
      cure: 'ask for an older version of the package, or use a Dockerfile with the Python that it wants',
    }),
  ),
  rule(
    'build',
    'conflict',
    /ResolutionImpossible|Cannot install .{0,300} because these package versions have conflicting dependencies/,
    {
      what: 'the requirements contradict each other: two packages want different versions of a third',
      cure: 'loosen the versions in the requirements; the end of the build output names them',
    },
  ),
  rule(
    'build',
    'hash',
    /THESE PACKAGES DO NOT MATCH THE HASHES|Hashes are required in --require-hashes mode|In --require-hashes mode, all requirements must have their versions pinned/,
    {
      what: 'the hashes in the requirements do not fit the packages, or some requirement lacks a hash or a fixed version',
      cure: 'make the hashes anew from the versions that you ask for, for example with pip-compile --generate-hashes',
    },
  ),
  rule(
    'build',
    'missing_file',
    /Could not open requirements file: \[Errno 2\] No such file or directory: '(?:\/[\w./-]{0,200}\/app\/|\/app\/)?([\w.][\w./-]{0,100})'/,
    ([, file = '']) => ({
      what: `pip does not find the requirements file ${file}`,
      cure: 'upload it too, and name it by its path from the folder in which pip runs',
    }),
  ),
  rule('build', 'git_absent', /Cannot find command 'git'|\/bin\/sh: (?:\d{1,4}: )?git: not found/, {
    what: 'a requirement comes from a git repository, and there is no git in the build',
    cure: 'ask for the package of the index, or use a Dockerfile that installs git',
  }),
  rule(
    'build',
    'no_package',
    /No matching distribution found for ([\w.[\]-]{1,80}[\w.,<>=!~* -]{0,80})/,
    ([, item = ''], { before }) => ({
      what: `pip found no package that fits the requirement ${item.trim()}`,
      cure: before.at(-1)?.includes('(from versions: none)')
        ? 'check the spelling; if it is right, the index has no version for the Python of the build, or shows none without credentials'
        : 'check the spelling and the version; the end of the build output lists the versions there are',
    }),
  ),
  rule('build', 'invalid_requirement', /Invalid requirement: ['"]?([\w.[\]<>=!~*, -]{1,100})/, ([, item = '']) => ({
    what: `pip cannot read the requirement ${item.trim()}`,
    cure: 'write name and version, for example "aiogram>=3.0,<4"',
  })),
  // npm names its reason in one line with a code.
  rule(
    'build',
    'certificate',
    /npm (?:ERR!|error) code (?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(?:_LOCALLY)?|CERT_HAS_EXPIRED)\b/,
    certificate,
  ),
  rule('build', 'credentials', /npm (?:ERR!|error) code (?:E401|E403|ENEEDAUTH)\b/, credentials),
  rule('build', 'no_package', /npm (?:ERR!|error) (?:code )?(?:E404|404)\b/, {
    what: 'npm found no package of a name or version that the requirements ask for',
    cure: 'check the spelling and the version of the requirements',
  }),
  rule('build', 'no_version', /npm (?:ERR!|error) code ETARGET/, {
    what: 'npm found no version of a package that fits the requirements',
    cure: 'check the versions of the requirements',
  }),
  rule('build', 'conflict', /npm (?:ERR!|error) code ERESOLVE/, {
    what: 'the dependencies contradict each other: two packages want different versions of a third (ERESOLVE)',
    cure: 'ask for versions that fit each other; the end of the build output names them',
  }),
  rule('build', 'node_version', /npm (?:ERR!|error) code EBADENGINE/, {
    what: 'a package does not work with the Node of the build',
    cure: 'ask for another version of the package, or use a Dockerfile with the Node that it wants',
  }),
  rule('build', 'package_json', /npm (?:ERR!|error) code EJSONPARSE/, {
    what: 'package.json is not valid JSON',
    cure: 'correct it; the end of the build output shows the place',
  }),
  rule(
    'build',
    'package_name',
    /npm (?:ERR!|error) code (?:EINVALIDPACKAGENAME|EINVALIDTAGNAME|EUNSUPPORTEDPROTOCOL)/,
    {
      what: 'package.json asks for a package by a name or a version that npm cannot read',
      cure: 'check the names and the versions of the dependencies',
    },
  ),
  rule(
    'build',
    'lock',
    /npm (?:ERR!|error) .{0,20}`npm ci` can only install packages when your package\.json and package-lock\.json/,
    {
      what: 'package-lock.json does not fit package.json',
      cure: 'run npm install on your machine, and upload the new package-lock.json',
    },
  ),
  rule(
    'build',
    'index_unreachable',
    /npm (?:ERR!|error) (?:code|errno) (?:ECONNREFUSED|EAI_AGAIN|ENOTFOUND|ETIMEDOUT|ECONNRESET|ENETUNREACH|ERR_SOCKET_TIMEOUT|FETCH_ERROR)\b/,
    unreachable,
  ),
  rule(
    'build',
    'compiler',
    /(?:(?:cc|g\+\+|gcc)' failed|Microsoft Visual C\+\+|unable to execute '(?:gcc|cc|g\+\+)|command '(?:[\w./-]{0,60}\/)?(?:gcc|cc|g\+\+|clang)' failed|error: command '[\w./-]{1,60}' failed: No such file|gyp ERR! (?:stack Error: not found: make|find Python))/,
    {
      what: 'a package has to be compiled, and the base image has no compiler for it',
      cure: 'ask for a version of the package that has a ready wheel, or use a base image with a compiler',
    },
  ),
  rule('build', 'no_docker_file', /^(?:COPY|ADD) failed: .{0,200}(?:file not found|no such file|no source files)/i, {
    what: 'a COPY or ADD of the Dockerfile names a file that was not uploaded',
    cure: 'check the path from the top of the upload, and .dockerignore',
  }),
  rule(
    'build',
    'package_absent',
    /^E: Unable to locate package ([\w.+-]{1,80})|^ERROR: unable to select packages:/,
    ([, item]) => ({
      what: `the system's package manager finds no package${item === undefined ? ' of a name that the Dockerfile asks for' : ` ${item}`}`,
      cure: 'run apt-get update in the same step before apt-get install, and check the name for the release of the base image',
    }),
  ),
  rule(
    'build',
    'network',
    /Temporary failure resolving|Could not resolve host|temporary error \(try again later\)|unable to resolve host address/,
    {
      what: 'a step of the build could not look up the name of a server',
      cure: 'check the name; if it is right, the build has no network or no DNS, which the operator has to see to',
    },
  ),
  rule(
    'build',
    'certificate',
    /\b(?:SSL certificate problem|server certificate verification failed|x509: certificate|CERTIFICATE_VERIFY_FAILED)\b/,
    {
      what: 'the certificate of a server that the build asks is not trusted',
      cure: 'install ca-certificates in the Dockerfile, or ask the operator whether a proxy replaces certificates',
    },
  ),
];

/** What may be the reason where no other rule knows one: pip tries again after these, and mostly succeeds. */
export const lastPackageRules: readonly Rule[] = [
  rule('build', 'compiler', /Failed building wheel|Failed to build installable wheels/, {
    what: 'a package could not be built for the base image, for which it has no ready wheel',
    cure: 'ask for a version of the package that has one, or use a base image with what it needs to be built',
  }),
  rule(
    'build',
    'package_build',
    /(?:python setup\.py egg_info did not run successfully|Preparing metadata \(pyproject\.toml\) did not run successfully|error: metadata-generation-failed|Getting requirements to build wheel did not run successfully)/,
    {
      what: 'a package could not be prepared: its own set-up failed',
      cure: 'ask for another version of it; the end of the build output says why it failed',
    },
  ),
  rule('build', 'npm_script', /npm (?:ERR!|error) command failed/, {
    what: 'a script that npm runs at the installation failed',
    cure: 'the end of the build output says which and why',
  }),
  rule('build', 'index_unreachable', brokenConnection, unreachable),
  rule('build', 'index_unreachable', /\b(?:EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENOTFOUND)\b/, unreachable),
];
