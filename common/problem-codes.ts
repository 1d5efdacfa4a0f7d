/**
 * Every code a refusal or failure can carry: the one table behind HTTP statuses, gRPC codes and docs/ERRORS.md.
 * A code's name is its ErrorReason in proto/botrunner/v1/error.proto without the prefix.
 */

/** gRPC status names we answer with, by their canonical numbers (https://grpc.io/docs/guides/status-codes/). */
export const grpcCodes = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcCodeName = keyof typeof grpcCodes;

export interface ProblemKind {
  /** HTTP status of the refusal, or of a job's failure if it were one. */
  readonly http: number;
  readonly grpc: GrpcCodeName;
  /** What causes it, for docs/ERRORS.md. */
  readonly cause: string;
  /** What to do about it; the hint where none more exact is given. */
  readonly cure: string;
  /** True when the same request may succeed later unchanged. */
  readonly retryable?: true;
}

const refusal = (cause: string, cure: string): ProblemKind => ({ http: 400, grpc: 'INVALID_ARGUMENT', cause, cure });
const notFound = (cause: string, cure: string): ProblemKind => ({ http: 404, grpc: 'NOT_FOUND', cause, cure });
const failure = (cause: string, cure: string): ProblemKind => ({ http: 422, grpc: 'FAILED_PRECONDITION', cause, cure });

export const problemCodes = {
  MISSING_REQUIRED_FIELD: refusal(
    'A field that the action needs is missing or empty.',
    'Add the field that the message names.',
  ),
  INVALID_ACTION: refusal(
    'Unknown action.',
    'Use start, stop, logs, list, status, update, restart, configure, config or delete.',
  ),
  INVALID_BOT_ID: refusal(
    'The bot id does not match [a-zA-Z0-9_-]{1,64}.',
    'Use 1 to 64 Latin letters, digits, "_" or "-".',
  ),
  INVALID_DEPLOYMENT_MODE: refusal(
    'The deployment mode is not simple, custom or image.',
    'Use simple (code), custom (Dockerfile) or image (a ready image).',
  ),
  INVALID_MODE: refusal(
    "This release, or the worker's runtime, does not support the deployment mode.",
    'Use simple mode, or a worker with the docker runtime.',
  ),
  INVALID_ENV_VARS: refusal(
    'An environment variable has a bad name or value.',
    'Names are [A-Za-z_][A-Za-z0-9_]*, values are text of at most 32 KiB; put numbers in quotes.',
  ),
  MISSING_CODE: refusal('Simple mode without code.', 'Give "code" or "files".'),
  CONFLICTING_FIELDS: refusal('Two fields cannot be combined.', 'Give only one of the fields that the message names.'),
  INVALID_FILES_FORMAT: refusal(
    '"files" is not an object that maps file names to contents.',
    'Write "files": {"bot.py": "print(1)"}.',
  ),
  EMPTY_FILES: refusal('"files" is empty.', 'Give at least one file.'),
  INVALID_FILE_CONTENT: refusal('The content of a file is not text or is too large.', 'Give the content as a string.'),
  INVALID_FILE_PATH: refusal(
    "A file name is absolute, leads out of the bot's folder or contains forbidden characters.",
    'Use relative names such as "bot.py" or "handlers/start.py".',
  ),
  INVALID_ENTRYPOINT: refusal(
    "The entrypoint is not the plain relative path of one of the bot's files, or the command cannot be run.",
    'Name one of the files, for example "bot.py".',
  ),
  INVALID_REQUIREMENTS: refusal(
    'A requirement is not a single plain specifier, or a requirements file is missing.',
    'Give one package per item, for example "aiogram>=3.0,<4".',
  ),
  MISSING_SOURCE: refusal('Custom mode without a source.', 'Give an archive, an archive URL or a git URL.'),
  CONFLICTING_SOURCES: refusal('More than one source was given.', 'Give exactly one source.'),
  MISSING_DOCKER_IMAGE: refusal('Image mode without an image.', 'Give "docker_image".'),
  INVALID_IMAGE_NAME: refusal('The image reference is not valid.', 'Use a reference such as "ghcr.io/me/bot:1.0".'),
  INVALID_RESOURCE_LIMITS: refusal(
    'A resource limit is unknown or out of bounds.',
    'Set "memory_mb", "cpu_cores" and "disk_mb" within the operator\'s bounds.',
  ),
  INVALID_LINES: refusal('The number of log lines is not 1 to 10000.', 'Ask for 1 to 10000 lines.'),
  INVALID_LABELS: refusal(
    'The labels that the bot\'s worker must have ("on") are malformed, or there are more than 16.',
    'Use "on": {"zone": "eu"} with letters, digits, "_", "." and "-", at most 63 of them.',
  ),
  INVALID_TIME: refusal(
    'A time in a log request is not valid, or since is later than until.',
    'Use a duration such as 10m, or a time such as 2026-11-22T15:00:00Z.',
  ),
  INVALID_GREP: refusal(
    'The text to search a log for is empty, longer than 256 characters, or contains a line break.',
    'Use 1 to 256 characters of one line. It is plain text, not a pattern.',
  ),
  INVALID_BLUEPRINT: refusal('The job does not name a known blueprint.', 'Use "bot_runner".'),
  INVALID_ARCHIVE: refusal(
    'An uploaded archive cannot be read, or contains something that is not allowed.',
    'Upload a tar of plain files with relative names.',
  ),
  INVALID_IDEMPOTENCY_KEY: refusal(
    'The Idempotency-Key is empty, too long or contains control characters.',
    'Use 1 to 255 printable ASCII characters, for example a UUID.',
  ),
  INVALID_CURSOR: refusal(
    'The log cursor, or the place to resume events from, was not issued by this server.',
    'Start without it.',
  ),
  INVALID_WORKER: refusal(
    "A worker's id, version or message violates the session protocol.",
    'Set WORKER_ID to 1 to 64 letters, digits, ".", "_" or "-", not beginning with a dot, and run the same release as the orchestrator.',
  ),
  INVALID_BUILD_OPTIONS: refusal(
    'A build argument, the target or the path of the Dockerfile is not valid, or a build argument looks like a secret.',
    'Build arguments are plain text and stay in the image; give secrets with "env_vars".',
  ),
  INVALID_GIT_URL: refusal(
    'The git URL is not allowed.',
    'Use an https URL without user and password; give those as "git_auth".',
  ),
  INVALID_GIT_REF: refusal(
    'The branch, tag or commit id breaks the rules of git for names.',
    'Use a name such as "main" or "v1.2", or all of a commit id.',
  ),
  INVALID_ARCHIVE_URL: refusal(
    'The archive URL is not allowed.',
    'Use an http or https URL of a .tar or .tar.gz, without user and password.',
  ),
  INVALID_REGISTRY_AUTH: refusal(
    'The registry credentials are malformed.',
    'Write "registry_auth": {"username": "me", "password": "..."}.',
  ),
  INCOMPLETE_REGISTRY_AUTH: refusal('The registry credentials are incomplete.', 'Give both username and password.'),
  INVALID_TELEGRAM_TOKEN: refusal(
    'Telegram does not recognise the bot token.',
    'Copy the token from @BotFather again, or make a new one there with /revoke.',
  ),
  CONFLICTING_WEBHOOK: refusal(
    'A webhook is set for the bot token, so polling would receive nothing.',
    "Remove it: call the Bot API's deleteWebhook with the token.",
  ),
  FORBIDDEN_URL: refusal(
    'Sources may not be fetched from the address that the URL leads to.',
    'Use a public address; the operator can allow others with FETCH_ALLOW.',
  ),
  FORBIDDEN_REGISTRY: refusal(
    'Images may not be pulled from the address of this registry.',
    'Use a public registry; the operator can allow others with FETCH_ALLOW.',
  ),
  INVALID_USER_ID: refusal(
    'The user id does not match [a-z0-9][a-z0-9_-]{0,31}.',
    'Use 1 to 32 lower-case Latin letters, digits, "_" or "-", beginning with a letter or digit.',
  ),
  INVALID_TOKEN_NAME: refusal(
    'The name of a token does not match [A-Za-z0-9_.-]{1,64}.',
    'Use 1 to 64 Latin letters, digits, "_", "." or "-".',
  ),
  INVALID_SCOPE: refusal('The scope of a token is unknown.', 'Use client, admin or worker.'),
  MALFORMED_REQUEST: refusal(
    'The request cannot be read: it is not JSON, not UTF-8, or not what is expected here.',
    'Send one JSON object as UTF-8 with Content-Type: application/json.',
  ),
  UNAUTHENTICATED: {
    http: 401,
    grpc: 'UNAUTHENTICATED',
    cause: 'No token was sent, or it is not valid.',
    cure: 'Send your token in the header "Authorization: Bearer TOKEN".',
  },
  PERMISSION_DENIED: {
    http: 403,
    grpc: 'PERMISSION_DENIED',
    cause: 'The token is valid, but of the wrong kind for this call.',
    cure: 'Use a client token for bots and jobs, and an admin token to manage tokens and workers; a worker token is for worker programs only.',
  },
  JOB_NOT_FOUND: notFound('There is no such job, or it belongs to another user.', 'Check the job id.'),
  BOT_NOT_FOUND: notFound(
    'There is no such bot, or it belongs to another user.',
    'List your bots with the action "list".',
  ),
  WORKER_NOT_FOUND: notFound(
    'There is no such worker.',
    'Check the worker id; an operator sees all of them with: avtomatika-bot worker list',
  ),
  CONTAINER_NOT_FOUND: notFound(
    'The worker has no unrecognised container with that id.',
    'List them with: avtomatika-bot worker adopt WORKER',
  ),
  WORKER_CONNECTED: {
    http: 409,
    grpc: 'FAILED_PRECONDITION',
    cause: 'The worker to forget was heard from within the last 10 seconds.',
    cure: 'Stop the worker or switch off its host first; to empty a running worker use: avtomatika-bot worker drain ID',
  },
  DATA_LEFT_BEHIND: {
    http: 409,
    grpc: 'FAILED_PRECONDITION',
    cause: 'The bots that the drain would move keep data on the worker, where it would stay.',
    cure: 'Save what you need first, then drain with "leave_data": true.',
  },
  ARTIFACT_NOT_FOUND: notFound(
    'There is no such artifact, or another user uploaded it.',
    'Upload the source again and use the sha256 of the response.',
  ),
  TOKEN_NOT_FOUND: notFound('The user has no token of that name.', 'See the tokens with: avtomatika-bot token list'),
  ROUTE_NOT_FOUND: {
    http: 404,
    grpc: 'UNIMPLEMENTED',
    cause: 'There is no such route or procedure.',
    cure: 'See the routes in docs/REST.md and the procedures in docs/GRPC.md.',
  },
  METHOD_NOT_ALLOWED: {
    http: 405,
    grpc: 'UNIMPLEMENTED',
    cause: 'The route or procedure exists, but not for this HTTP method.',
    cure: 'Use one of the methods listed in the Allow header.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    http: 415,
    grpc: 'UNIMPLEMENTED',
    cause: 'The route or procedure cannot be called with this Content-Type or HTTP version.',
    cure: 'Send application/json for REST, application/json or application/proto for Connect, application/grpc over HTTP/2 for gRPC.',
  },
  IDEMPOTENCY_CONFLICT: {
    http: 409,
    grpc: 'ALREADY_EXISTS',
    cause: 'The Idempotency-Key was used before with a different body.',
    cure: 'Use a new key for a new request.',
  },
  TOKEN_IN_USE: {
    http: 409,
    grpc: 'ALREADY_EXISTS',
    cause: 'Another running bot uses the same Telegram token, and Telegram lets only one of them poll.',
    cure: 'Stop the other bot first, or move the token with "takeover": true.',
  },
  TOKEN_NOT_MOVED: refusal(
    'With "move_token": true, the Telegram token in the source could not be moved into the environment for certain. Nothing was changed.',
    'Have the code read BOT_TOKEN from its environment, and give the token with "env_vars".',
  ),
  PAYLOAD_TOO_LARGE: {
    http: 413,
    grpc: 'RESOURCE_EXHAUSTED',
    cause: 'The body of the request is larger than allowed.',
    cure: "Send less. Calls that carry a bot's source take up to 16 MiB, all others 256 KiB; the command line uploads larger sources in parts.",
  },
  ARCHIVE_TOO_LARGE: {
    http: 413,
    grpc: 'RESOURCE_EXHAUSTED',
    cause: 'The archive is larger than allowed.',
    cure: 'Leave out what the bot does not need; the limit is 200 MB.',
  },
  QUOTA_EXCEEDED: {
    http: 429,
    grpc: 'RESOURCE_EXHAUSTED',
    cause:
      'The user has reached a limit: of running bots, of bots in all, or of what sources or open jobs may take in the store.',
    cure: 'Stop or delete a bot first; avtomatika-bot usage shows what you have.',
  },
  RATE_LIMITED: {
    http: 429,
    grpc: 'RESOURCE_EXHAUSTED',
    cause: 'More was sent than one user or one address may send; "retry_after" says for how many seconds to wait.',
    cure: 'Wait, then send the same request again.',
    retryable: true,
  },
  REQUEST_TIMEOUT: {
    http: 408,
    grpc: 'DEADLINE_EXCEEDED',
    cause: 'The body of the request did not come, or came too slowly.',
    cure: 'Send the request again.',
    retryable: true,
  },
  STORAGE_FULL: {
    http: 503,
    grpc: 'UNAVAILABLE',
    cause: 'The disk of the orchestrator is full. Bots can still be listed, stopped and deleted.',
    cure: 'Free space on the disk that holds DATA_DIR.',
    retryable: true,
  },
  SAFETY_CHECK_FAILED: {
    http: 503,
    grpc: 'FAILED_PRECONDITION',
    cause:
      'The operator has set STRANGERS=1, and one of the safety checks fails on the orchestrator or on the workers. Bots that run are left alone.',
    cure: 'Try again later. The operator sees which check it is, and its cure, with: avtomatika-bot doctor',
    retryable: true,
  },
  UNAVAILABLE: {
    http: 503,
    grpc: 'UNAVAILABLE',
    cause: 'The orchestrator is stopping, or the worker of the bot is not connected.',
    cure: 'Try again in a few seconds.',
    retryable: true,
  },
  INTERNAL: {
    http: 500,
    grpc: 'INTERNAL',
    cause: 'A bug in Bot Runner.',
    cure: "Report it with the id in the message; the orchestrator's log has the details under that id.",
  },
  BUILD_FAILED: failure('The image of the bot could not be built.', 'Read the end of the build output.'),
  BUILD_TIMEOUT: failure(
    'The build took longer than the job allows.',
    'Make the build smaller, or ask for fewer packages.',
  ),
  IMAGE_NOT_FOUND: failure('The registry has no such image or tag.', 'Check the name and the tag of the image.'),
  IMAGE_PULL_FAILED: failure('The image could not be pulled.', 'Check that the worker can reach the registry.'),
  REGISTRY_AUTH_FAILED: failure(
    'The registry refused the credentials, or requires some.',
    'Check user name and password.',
  ),
  FETCH_FAILED: failure('The archive could not be fetched.', 'Open the URL in a browser to see whether it is there.'),
  GIT_FAILED: failure(
    'The repository could not be cloned.',
    'Check the URL, the branch and, for a private repository, the credentials.',
  ),
  CONTAINER_ERROR: failure(
    'The container engine refused or failed.',
    'Read the message; the operator sees more in the log.',
  ),
  CONTAINER_NOT_OWNED: {
    http: 409,
    grpc: 'FAILED_PRECONDITION',
    cause:
      'The bot has a container on its worker that the worker no longer recognises, because it has lost its DATA_DIR or key.',
    cure: 'The operator decides about the container: avtomatika-bot worker adopt WORKER',
  },
  BOT_DAMAGED: {
    http: 409,
    grpc: 'FAILED_PRECONDITION',
    cause: 'What the orchestrator has stored about the bot cannot be decrypted: it was changed on disk.',
    cure: 'Update the bot with its source, its whole environment and "replace_env": true, or delete it.',
  },
  UPDATE_ROLLED_BACK: failure(
    'The new version exited with an error right after its start; the previous one was started again.',
    "Read the end of the bot's log, fix the code and update again.",
  ),
  NO_WORKER: {
    http: 409,
    grpc: 'FAILED_PRECONDITION',
    cause: 'No worker could take the bot before the deadline, or no known worker has the labels it asks for.',
    cure: 'Start a worker, or stop bots to make room.',
  },
  DEADLINE_EXCEEDED: {
    http: 504,
    grpc: 'DEADLINE_EXCEEDED',
    cause: 'The job did not finish before its deadline.',
    cure: 'Check the bot with the action "status", then try again.',
    retryable: true,
  },
  CANCELLED: {
    http: 409,
    grpc: 'CANCELLED',
    cause: 'The job was cancelled, by its user or by a later stop or delete of the same bot.',
    cure: 'Start the bot again if it should run.',
  },
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof problemCodes;

export const isProblemCode = (value: string): value is ProblemCode => Object.hasOwn(problemCodes, value);
