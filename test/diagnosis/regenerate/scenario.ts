/** What makes a real program print a failure, so that its full output can be kept as a fixture. */
import type { FakeTelegram } from '../../kit/fake-telegram/fake-telegram.ts';

/** Servers that failures are made with; all listen on the loopback. */
export interface Servers {
  readonly telegram: FakeTelegram;
  readonly token: string;
  /** A package index with a few wheels, and an address of the same kind where nothing listens. */
  readonly pipIndex: string;
  readonly npmRegistry: string;
  readonly gitServer: string;
  readonly lockedGitServer: string;
  /** https with a certificate that nobody trusts. */
  readonly untrusted: string;
  /** A stand-in for Discord's API and gateway: refuses the token `bad`, closes every gateway session with 4014. */
  readonly discord: string;
  readonly closed: string;
  /** For scenarios that ask for it. */
  readonly docker: DockerServers | undefined;
}

export interface DockerServers {
  /** For DOCKER_HOST. The engine has the stand-ins of the base images. */
  readonly host: string;
  /** An address that its containers can reach. */
  readonly address: string;
  /** host:port of a registry that wants a password, and of one that does not. */
  readonly registry: string;
  readonly openRegistry: string;
}

export interface Scenario {
  /** The fixture's file name, without `.txt`. */
  readonly name: string;
  /** `run`: the log of a bot. `build`: the output of a build. `git`: the errors of a fetch. `refusal`, `pull`: an engine's words. */
  readonly kind: 'run' | 'build' | 'git' | 'refusal' | 'pull';
  /** Set aside: the rules were written without looking at what it prints. */
  readonly unseen?: true;
  readonly argv: (servers: Servers) => readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly executable?: readonly string[];
  /** Requirements of pip whose modules the program can import. */
  readonly pip?: readonly string[];
  /** Requirements of npm that are installed beside the program. */
  readonly npm?: readonly string[];
  /** "3.11" unless given; `python` of argv is it. */
  readonly python?: '3.9' | '3.11' | '3.12' | '3.13';
  /** The Node of this repository instead of the machine's. */
  readonly newNode?: true;
  readonly env?: (servers: Servers) => Readonly<Record<string, string>>;
  readonly docker?: true;
  /** In a network namespace with nothing but a loopback. */
  readonly offline?: true;
  /** In a network namespace where private addresses are answered as the firewall of a worker answers. */
  readonly refused?: true;
  /** With a user that is not root. */
  readonly nobody?: true;
  /** Ended when it has printed this; else it must end on its own. */
  readonly until?: RegExp;
  /** Done before it starts and undone after. */
  readonly around?: (servers: Servers) => Promise<() => Promise<void>>;
}
