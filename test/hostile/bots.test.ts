/** What a hostile bot or build does on a real engine. */
import { it } from 'vitest';

it.todo('hostile 50: a build that prints, forks and writes without end');
it.todo('hostile 75: an image with very many layers');
it.todo('hostile 83: a bot that fills the disk');
it.todo('hostile 86: raw sockets');
it.todo('hostile 88: mounts, namespaces and the kernel');
it.todo('hostile 90: what /proc shows');
it.todo('hostile 92: tokens of the platform');
