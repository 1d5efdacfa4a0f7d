/** Files, programs, sockets and certificates, whatever the language. */
import { atStart, type Explanation, type Line, type Rule, rule } from './rule.ts';

const notAllowed = (path: string | undefined): Explanation => ({
  what: `the bot cannot write ${path === undefined ? 'there' : `to ${path}`}, because it does not run as root`,
  cure: 'keep files in /data, and in your own Dockerfile set USER and the owner of its folders',
});
const readOnly = (path: string | undefined): Explanation => ({
  what: `${path ?? 'what the bot wants to write to'} is read-only`,
  cure: 'keep files in /data or /tmp, or update the bot with --no-read-only if it was started with --read-only',
});
/** The path in quotes of an error's text, if it is a plain one. */
const pathIn = (text: string): string | undefined => /['"](\/[\w./@+-]{1,100})['"]/.exec(text)?.[1];

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const notExecutable = (path: string): Explanation => ({
  what: `${nameOf(path)} is not executable`,
  cure: `run chmod +x ${nameOf(path)} before you upload it (in git: git update-index --chmod=+x), or start it with its interpreter, as sh ${nameOf(path)}`,
});
const windowsLines = (file: string | undefined): Explanation => ({
  what: `${file ?? 'a script'} has Windows line endings (CRLF), which a shell does not understand`,
  cure: 'save it with Unix line endings (LF); in git: *.sh text eol=lf in .gitattributes',
});
const noInterpreter = (file: string): Explanation => ({
  what: `the first line of ${file} names a program that the image does not have, usually because of Windows line endings (CRLF)`,
  cure: 'save it with Unix line endings (LF), or fix its first line',
});
const wrongFormat = (file: string): Explanation => ({
  what: `${file} is not a program that this machine can execute`,
  cure: "a script needs a first line such as #!/bin/sh; a program must be built for the worker's processor",
});
const noProgram = (name: string): Explanation => ({
  what: `the program ${name} is not in the image`,
  cure:
    name === 'ffmpeg' || name === 'ffprobe'
      ? 'use your own Dockerfile that installs it, for example with apt-get install ffmpeg'
      : 'check its name, use your own Dockerfile that installs it, or add the package that provides it to the requirements',
});
const notExecutableStart: Explanation = {
  what: 'what the bot is started with may not be executed, or is no program',
  cure: 'run chmod +x on it before you upload it, and begin a script with a line such as #!/bin/sh',
};
/** The kernel has one word for both. */
const notStartable = (file: string): Explanation => ({
  what: `${file} cannot be started, because it is not in the image, or its first line names a program that is not, usually because of Windows line endings (CRLF)`,
  cure: 'check its path, and save it with Unix line endings (LF)',
});

/** Whether a program was to be started, rather than a file to be opened. */
const startsProgram = ({ before }: Line): boolean =>
  before.some((text) => /\bsubprocess\.py", line \d{1,7}|\b_execute_child\b|\bcreate_subprocess/.test(text));

const nothingListens = (host: string, port: string): Explanation => ({
  what: `nothing answers at ${host}:${port}; inside its container, ${host} is the bot itself`,
  cure: 'give the bot the address of that service, and run the service where the bot can reach it',
});

const refusedBy = (place: string | undefined): Explanation => ({
  what: `the bot is not allowed to connect to ${place ?? 'a server'}, or there is no route to it`,
  cure: 'the firewall of its worker refuses private addresses, other bots and mail servers; the operator can allow a place with EGRESS',
});
/** Whether a connection was to be made, rather than a file to be opened. */
const connects = ({ before }: Line): boolean =>
  before.some((text) => /\bsocket\.py", line \d{1,7}|\bsock_connect\b|\bsock\.connect\(/.test(text));

const certificate: Explanation = {
  what: 'the certificate of a server is not trusted',
  cure: 'the image lacks its authority (the package ca-certificates), the certificate has expired or is self-signed, or a proxy replaces it with its own',
};

/** Before those of Telegram: a Bot API server at localhost is not Telegram's problem. */
export const localhostRules: readonly Rule[] = [
  rule(
    'run',
    'localhost',
    /\bconnecting to (localhost|127\.0\.0\.1|::1):(\d{1,5})\. (?:Connection refused|Connect call failed)/,
    ([, host = '', port = '']) => nothingListens(host, port),
  ),
  rule('run', 'localhost', /Connect call failed \('(127\.0\.0\.1|::1)', (\d{1,5})\b/, ([, host = '', port = '']) =>
    nothingListens(host, port),
  ),
  rule('run', 'localhost', /\bECONNREFUSED (127\.0\.0\.1|::1):(\d{1,5})\b/, ([, , port = '']) =>
    nothingListens('localhost', port),
  ),
  rule(
    'run',
    'localhost',
    /\b(?:Cannot connect to host|connect to MySQL server on ['"]?|connection to server at ")\s?(localhost|127\.0\.0\.1)(?:" \([\d.:]{1,40}\), port |:)(\d{1,5})\b/,
    ([, host = '', port = '']) => nothingListens(host, port),
  ),
  rule(
    'run',
    'localhost',
    /\b(localhost|127\.0\.0\.1):(\d{1,5}): \[Errno 111\] Connection refused/,
    ([, host = '', port = '']) => nothingListens(host, port),
  ),
];

export const systemRules: readonly Rule[] = [
  // What shells and the kernel print of a file that is to be executed.
  // The init of a container, which starts the bot.
  rule(
    'run',
    'init',
    /^\[FATAL tini \(\d{1,7}\)\] exec (\/?[\w.][\w./-]{0,100}) failed: (Permission denied|No such file or directory)$/,
    ([, path = '', why]) => {
      if (why === 'Permission denied') return notExecutable(path);
      return path.includes('/') ? notStartable(path) : noProgram(path);
    },
  ),
  // Podman's init does not say which program it was to start.
  rule(
    'run',
    'init',
    /^ERROR \(catatonit:\d{1,7}\): failed to exec pid1: (Permission denied|No such file or directory|Exec format error)$/,
    ([, why]) =>
      why === 'No such file or directory' ? notStartable('what the bot is started with') : notExecutableStart,
  ),
  rule(
    'any',
    'windows_lines',
    /bad interpreter|\/env: .{0,3}[\w./-]{1,40}\\r|\$'\\r': command not found|: set: [\w-]{1,20}.{0,3}: invalid option name$/,
    (_, { text }) =>
      text.includes('bad interpreter') && !/\^M|\\r/.test(text) ? noInterpreter('the script') : windowsLines(undefined),
  ),
  rule(
    'any',
    'windows_lines',
    /^([\w./-]{1,100}): (?:(?:line )?\d{1,5}: )?set: (?:line \d{1,5}: )?(?:[Ii]llegal option -|pipefail|-: invalid option|invalid option)[\s-]{0,4}$/,
    ([, file]) => windowsLines(file),
  ),
  // The carriage return became part of the last word of a script's line.
  rule(
    'any',
    'windows_lines',
    /: can't open file '[^'\n]{1,300}\\r': \[Errno 2\]|^Error: Cannot find module '[^'\n]{1,300}(?:\r|\\r|\\x0d)'/,
    windowsLines(undefined),
  ),
  rule('any', 'no_interpreter', /: ([\w.][\w./-]{0,100}): cannot execute: required file not found$/, ([, file = '']) =>
    noInterpreter(file),
  ),
  rule('any', 'no_interpreter', /^exec (\/?[\w.][\w./-]{0,100}): no such file or directory$/, ([, file = '']) =>
    notStartable(file),
  ),
  rule(
    'any',
    'exec_format',
    /(?:^exec |: )(\/?[\w.][\w./-]{0,100}): (?:cannot execute binary file: )?[Ee]xec format error$/,
    ([, file = '']) => wrongFormat(file),
  ),
  rule(
    'any',
    'not_executable',
    /^(?:exec |(?:\/bin\/)?(?:ba|da)?sh: (?:line )?(?:\d{1,5}: )?(?:exec: )?)(\/?[\w.][\w./-]{0,100}): [Pp]ermission denied$/,
    ([, file = '']) => notExecutable(file),
  ),
  rule(
    'any',
    'no_program',
    /^(?:[\w./-]{1,100}: (?:line )?\d{1,5}|(?:\/bin\/)?(?:ba|da|a)?sh): (?:exec: )?([\w.+-]{1,40}): (?:command )?not found$/,
    ([, name = '']) => noProgram(name),
  ),
  rule(
    'run',
    'no_program',
    /^FileNotFoundError: \[Errno 2\] No such file or directory: '([\w.+-]{1,40})'$/,
    ([, name = ''], line) => (startsProgram(line) ? noProgram(name) : undefined),
  ),
  rule('run', 'no_program', /\bspawn ([\w.+-]{1,40}) ENOENT\b/, ([, name = '']) => noProgram(name)),
  rule(
    'run',
    'no_program',
    /\bCommand '([\w.+-]{1,40})[ '].{0,200}returned non-zero exit status 127\b/,
    ([, name = '']) => noProgram(name),
  ),
  rule(
    'run',
    'no_program',
    /\bCouldn't find (ffmpeg|ffprobe) or av(?:conv|probe)\b|\b(ffmpeg|ffprobe)(?: and ffprobe)? (?:was )?not found\b/,
    ([, one, two]) => noProgram(one ?? two ?? 'ffmpeg'),
  ),
  // Sockets.
  rule(
    'run',
    'port',
    /\[Errno 98\] (?:error while attempting to bind on address .{0,60}: )?[Aa]ddress already in use|\blisten EADDRINUSE\b/,
    {
      what: 'the bot listens on a port that another part of it already uses',
      cure: 'start that part only once, or give each its own port',
    },
  ),
  rule(
    'run',
    'certificate',
    /\bCERTIFICATE_VERIFY_FAILED\b|\bcertificate verify failed\b|\[cause\]: Error: (?:self-signed|unable to|certificate has)|\b(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE|CERT_HAS_EXPIRED)\b/,
    certificate,
  ),
  rule(
    'run',
    'name_resolution',
    /\bTemporary failure in name resolution|\bName or service not known|\bgetaddrinfo (?:ENOTFOUND|EAI_AGAIN)\b/,
    {
      what: 'the bot cannot look up the name of a server',
      cure: 'check the name; if it is right, its worker has no network or no DNS, which the operator has to fix',
    },
  ),
  rule(
    'run',
    'refused',
    /\bError 113 connecting to ([\w.:-]{1,100})\. No route to host|\[Errno 113\] (?:No route to host|Connect call failed \('([\w.:]{1,50})', (\d{1,5})\b)|\bCannot connect to host ([\w.:-]{1,100}) ssl:\S{1,20} \[No route to host\]|\bconnect (?:EHOSTUNREACH|EACCES) ([\w.:]{2,60}:\d{1,5})/,
    ([, redis, address, port, aiohttp, node]) =>
      refusedBy(redis ?? (address === undefined ? undefined : `${address}:${port}`) ?? aiohttp ?? node),
  ),
  rule('run', 'refused', /^PermissionError: \[Errno 13\] Permission denied$/, (_, line) =>
    connects(line) ? refusedBy(undefined) : undefined,
  ),
  rule('run', 'connection_refused', /^ConnectionRefusedError: \[Errno 111\] Connection refused$/, {
    what: 'a server that the bot connects to is not there; inside its container, localhost is the bot itself',
    cure: 'give the bot the address of that service, and run the service where the bot can reach it',
  }),
  // Files.
  rule('run', 'disk_full', /\[Errno 28\] No space left on device|\bENOSPC\b: no space left/, {
    what: 'the disk that the bot writes to is full',
    cure: 'make the bot store less, or ask the operator for space on the worker',
  }),
  rule(
    'run',
    'not_allowed',
    /^PermissionError: \[Errno 13\] |\bEACCES\b: permission denied|: Permission denied$/,
    (_, line) => atStart(line, notAllowed(pathIn(line.text))),
  ),
  rule(
    'run',
    'read_only',
    /\[Errno 30\] Read-only file system|\bEROFS\b: read-only|: Read-only file system$/,
    (_, line) => atStart(line, readOnly(pathIn(line.text))),
  ),
  rule(
    'run',
    'missing_file',
    /(?:^FileNotFoundError: \[Errno 2\] No such file or directory: |\bENOENT: no such file or directory, open )'([\w.][\w./-]{0,100})'/,
    ([, file = ''], line) =>
      atStart(line, {
        what: `the bot cannot find its file ${file}`,
        cure: 'upload it too; a path without a leading / is relative to the folder in which the bot is started',
      }),
  ),
];
