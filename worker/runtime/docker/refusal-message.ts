/**
 * An engine's refusal in words of our own. The engine's can hold environment values, host paths and addresses, so none of
 * them is passed on: a known phrase selects a sentence, anything else is described by its status alone. Pure.
 */
import type { EngineRefusal } from './engine-errors.ts';

interface Meaning {
  readonly phrase: RegExp;
  readonly message: string;
  readonly hint?: string;
}

const meanings: readonly Meaning[] = [
  {
    phrase: /no command specified/i,
    message: 'The image does not define a command to run.',
    hint: 'Give it a CMD or an ENTRYPOINT in its Dockerfile.',
  },
  {
    phrase: /unable to find (?:user|group)|no matching entries in (?:passwd|group) file/i,
    message: 'The image names a user that does not exist in it.',
    hint: 'Fix USER in its Dockerfile.',
  },
  {
    phrase: /exec: "[^"\n]{1,200}": (?:stat [^:\n]{1,200}: )?permission denied|exec [^:\n]{1,200}: permission denied/i,
    message: 'The program that starts the bot is not executable.',
    hint: 'Run chmod +x on it before the build (in git: git update-index --chmod=+x), or start it with its interpreter: CMD ["sh", "entrypoint.sh"].',
  },
  {
    phrase: /unknown or invalid runtime name|runtime "?[\w.-]{1,64}"? (?:is )?not (?:installed|found)/i,
    message: "The worker's engine does not have the runtime that the container is to run with.",
    hint: 'The operator has to add it to "runtimes" in the daemon.json of the engine, or unset RUNTIME_CLASS.',
  },
  {
    phrase: /exec format error/i,
    message: 'This machine cannot execute the program that starts the bot.',
    hint: "A script needs a first line such as #!/bin/sh; an image must be built for the worker's processor.",
  },
  {
    phrase: /no such file or directory: unknown/i,
    message:
      'The program that starts the bot is not in its image, or the first line of its script names one that is not.',
    hint: 'Check the path; a script with Windows line endings (CRLF) fails the same way: save it with Unix line endings (LF).',
  },
  {
    // That of the engine's own host, which runs as the first process of every container.
    phrase: /exec: "docker-init": executable file not found/i,
    message: "The worker's engine lacks docker-init.",
    hint: "The operator has to install it on the engine's host: it comes with the packages of Docker, or as tini.",
  },
  {
    phrase: /executable file not found/i,
    message: 'The program that starts the bot is not in its image.',
    hint: 'Check CMD or ENTRYPOINT of the image. In simple mode the operator has to set BASE_IMAGE or NODE_BASE_IMAGE to an image with python or node in it.',
  },
  {
    phrase: /no space left on device|disk quota exceeded/i,
    message: 'The disk of the worker is full.',
    hint: 'The operator has to free space on the worker.',
  },
  {
    phrase: /minimum memory limit|cannot allocate memory|memory limit/i,
    message: 'The memory limit is too small for a container.',
    hint: 'Ask for at least 16 MB.',
  },
  {
    phrase: /range of cpus|cpu limit|nanocpus/i,
    message: 'The worker has fewer processors than the bot requests.',
    hint: 'Ask for fewer cores.',
  },
  {
    phrase: /argument list too long/i,
    message: 'The environment of the bot is too large.',
    hint: 'Put large values into a file of the bot.',
  },
  {
    phrase: /network \S{1,200} not found|could not find an available|address pool|failed to create endpoint/i,
    message: 'The network of the bots does not work on the worker.',
    hint: "The worker's log has the details for the operator; DOCKER_NETWORK names the network.",
  },
];

/** What to show the user. `action` is the verb: create, start, stop, remove. */
export function refusalMessage(action: string, { status, text }: EngineRefusal): { message: string; hint?: string } {
  const meaning = meanings.find(({ phrase }) => phrase.test(text));
  if (!meaning) return { message: `The container engine refused to ${action} the container (status ${status}).` };
  return meaning.hint === undefined ? { message: meaning.message } : { message: meaning.message, hint: meaning.hint };
}
