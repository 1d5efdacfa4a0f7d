/** pip, npm, git and system packages, in the output of a build. */
import { type Explanation, type Rule, rule } from './rule.ts';

const unreachable: Explanation = {
  what: 'the package index could not be reached from the build',
  cure: 'the operator can set PIP_INDEX_URL, NPM_CONFIG_REGISTRY or HTTPS_PROXY on the worker',
};
const certificate: Explanation = {
  what: 'the certificate of the package index is not trusted in the build',
  cure: 'the operator has to set an index with a valid certificate, or use a network whose proxy does not replace it',
};
const credentials: Explanation = {
  what: 'the package index requires credentials',
  cure: 'the operator has to set PIP_INDEX_URL or NPM_CONFIG_REGISTRY on the worker to an index that needs none',
};

const brokenConnection =
  /NewConnectionError|ConnectTimeoutError|ReadTimeoutError|NameResolutionError|Temporary failure in name resolution|Failed to establish a new connection|RemoteDisconnected|ConnectionResetError/;
const untrusted =
  /SSLCertVerificationError|CERTIFICATE_VERIFY_FAILED|certificate verify failed|problem confirming the ssl certificate/;
/** As an index page of the index with a wrong password. */
const refused = /\b(?:401|403) (?:Client )?Error|error 40[13] while getting/i;

/** pip ends by saying that there is no such package, whatever the reason it could not ask. */
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
      what: 'a required package is not available for the Python version of the build',
      cure: 'use another version of the package, or a Dockerfile with the Python that it requires',
    }),
  ),
  // What the program of images/install/python-installer.ts says.
  rule(
    'build',
    'python_version',
    /pyproject\.toml requires Python ([\w.,<>=!~* ]{1,60}), and this is Python (\d[\d.]{0,10})/,
    ([, wanted = '', have = '']) => ({
      what: `pyproject.toml requires Python ${wanted}, and bots run on Python ${have}`,
      cure: 'loosen requires-python, or use a Dockerfile with the Python that it wants',
    }),
  ),
  rule('build', 'pyproject', /pyproject\.toml has its packages for Poetry alone/, {
    what: 'pyproject.toml lists its packages for Poetry only, and pip does not read those',
    cure: 'run poetry export -f requirements.txt -o requirements.txt, and upload that file',
  }),
  rule('build', 'pyproject', /pyproject\.toml is not TOML: ([\w ',.()]{1,100})/, ([, why = '']) => ({
    what: `pyproject.toml is not valid TOML: ${why}`,
    cure: 'correct it, and upload it again',
  })),
  rule(
    'build',
    'conflict',
    /ResolutionImpossible|Cannot install .{0,300} because these package versions have conflicting dependencies/,
    {
      what: 'the requirements conflict: two packages need different versions of a third',
      cure: 'loosen the versions in the requirements; the end of the build output names them',
    },
  ),
  rule(
    'build',
    'hash',
    /THESE PACKAGES DO NOT MATCH THE HASHES|Hashes are required in --require-hashes mode|In --require-hashes mode, all requirements must have their versions pinned/,
    {
      what: 'the hashes in the requirements do not match the packages, or a requirement lacks a hash or a pinned version',
      cure: 'generate the hashes again for the pinned versions, for example with pip-compile --generate-hashes',
    },
  ),
  rule(
    'build',
    'missing_file',
    /Could not open requirements file: \[Errno 2\] No such file or directory: '(?:\/[\w./-]{0,200}\/app\/|\/app\/)?([\w.][\w./-]{0,100})'/,
    ([, file = '']) => ({
      what: `pip cannot find the requirements file ${file}`,
      cure: 'upload it too, and give its path relative to the folder in which pip runs',
    }),
  ),
  rule('build', 'git_absent', /Cannot find command 'git'|\/bin\/sh: (?:\d{1,4}: )?git: not found/, {
    what: 'a requirement comes from a git repository, but the build has no git',
    cure: 'use the package from the index, for GitHub NAME @ https://github.com/OWNER/REPO/archive/REF.zip, or a Dockerfile that installs git',
  }),
  rule(
    'build',
    'no_package',
    /No matching distribution found for ([\w.[\]-]{1,80}[\w.,<>=!~* -]{0,80})/,
    ([, item = ''], { before }) => ({
      what: `pip found no package that matches the requirement ${item.trim()}`,
      cure: before.at(-1)?.includes('(from versions: none)')
        ? 'check the spelling; if it is right, the index has no version for the Python of the build, or hides it without credentials'
        : 'check the spelling and the version; the end of the build output lists the available versions',
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
    what: 'npm found no package with a name or version from the requirements',
    cure: 'check the spelling and the version of the requirements',
  }),
  rule('build', 'no_version', /npm (?:ERR!|error) code ETARGET/, {
    what: 'npm found no version of a package that matches the requirements',
    cure: 'check the versions of the requirements',
  }),
  rule('build', 'conflict', /npm (?:ERR!|error) code ERESOLVE/, {
    what: 'the dependencies conflict: two packages need different versions of a third (ERESOLVE)',
    cure: 'use versions that are compatible; the end of the build output names them',
  }),
  rule('build', 'node_version', /npm (?:ERR!|error) code EBADENGINE/, {
    what: 'a package does not support the Node version of the build',
    cure: 'use another version of the package, or a Dockerfile with the Node that it requires',
  }),
  rule('build', 'package_json', /npm (?:ERR!|error) code EJSONPARSE/, {
    what: 'package.json is not valid JSON',
    cure: 'fix it; the end of the build output shows the place',
  }),
  rule(
    'build',
    'package_name',
    /npm (?:ERR!|error) code (?:EINVALIDPACKAGENAME|EINVALIDTAGNAME|EUNSUPPORTEDPROTOCOL)/,
    {
      what: 'package.json has a dependency whose name or version npm cannot read',
      cure: 'check the names and the versions of the dependencies',
    },
  ),
  rule(
    'build',
    'lock',
    /npm (?:ERR!|error) .{0,20}`npm ci` can only install packages when your package\.json and package-lock\.json/,
    {
      what: 'package-lock.json does not match package.json',
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
      cure: 'use a version of the package with a prebuilt wheel, or a base image with a compiler',
    },
  ),
  rule(
    'build',
    'processes',
    /^\S{1,30}: .{0,20}\b(?:Cannot fork|can't fork\b|fork: retry: Resource)|^(?:BlockingIOError|OSError): \[Errno 11\] Resource temporarily unavailable/,
    {
      what: 'a step of the build cannot start another process, because it has reached its limit',
      cure: 'start fewer of them at once, for example with make -j2',
    },
  ),
  rule(
    'build',
    'no_docker_file',
    /^(?:COPY|ADD) failed: .{0,200}(?:file not found|no such file|no source files)|^failed to (?:compute cache key|calculate checksum|solve)\b.{0,300}"[^"]{1,200}"[: ]{1,3}not found/i,
    {
      what: 'a COPY or ADD of the Dockerfile names a file that was not uploaded',
      cure: 'check the path, relative to the top of the upload, and .dockerignore',
    },
  ),
  rule(
    'build',
    'package_absent',
    /^E: Unable to locate package ([\w.+-]{1,80})|^ERROR: unable to select packages:/,
    ([, item]) => ({
      what: `the system's package manager finds no package${item === undefined ? ' with a name from the Dockerfile' : ` ${item}`}`,
      cure: 'run apt-get update in the same step before apt-get install, and check the name for the release of the base image',
    }),
  ),
  rule(
    'build',
    'network',
    /Temporary failure resolving|Could not resolve host|temporary error \(try again later\)|unable to resolve host address/,
    {
      what: 'a step of the build could not look up the name of a server',
      cure: 'check the name; if it is right, the build has no network or no DNS, which the operator has to fix',
    },
  ),
  rule(
    'build',
    'certificate',
    /\b(?:SSL certificate problem|server certificate verification failed|x509: certificate|CERTIFICATE_VERIFY_FAILED)\b/,
    {
      what: 'the certificate of a server that the build contacts is not trusted',
      cure: 'install ca-certificates in the Dockerfile, or ask the operator whether a proxy replaces certificates',
    },
  ),
];

/** What may be the reason where no other rule finds one: pip tries again after these, and usually succeeds. */
export const lastPackageRules: readonly Rule[] = [
  rule('build', 'compiler', /Failed building wheel|Failed to build installable wheels/, {
    what: 'a package has no prebuilt wheel for the base image and could not be built',
    cure: 'use a version of the package that has one, or a base image with what the build needs',
  }),
  rule(
    'build',
    'package_build',
    /(?:python setup\.py egg_info did not run successfully|Preparing metadata \(pyproject\.toml\) did not run successfully|error: metadata-generation-failed|Getting requirements to build wheel did not run successfully)/,
    {
      what: 'a package could not be prepared: its own setup failed',
      cure: 'use another version of it; the end of the build output says why it failed',
    },
  ),
  rule('build', 'npm_script', /npm (?:ERR!|error) command failed/, {
    what: 'an install script of a package failed in npm',
    cure: 'the end of the build output says which and why',
  }),
  rule('build', 'index_unreachable', brokenConnection, unreachable),
  rule('build', 'index_unreachable', /\b(?:EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENOTFOUND)\b/, unreachable),
];
