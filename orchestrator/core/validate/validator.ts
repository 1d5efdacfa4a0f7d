/**
 * The validator alone, for other programs: `import { validateBotRequest } from 'avtomatika-bot-runner/validator'`. The same
 * function that POST /jobs asks; it needs no orchestrator, no Docker and no network. docs/VALIDATOR.md shows it at work.
 */
export type { Problem, Result } from '#common/problem.ts';
export { actions } from '../actions.ts';
export type { BotRequest, Bounds } from './bot-request.ts';
export { defaultBounds, deploymentModes } from './bot-request.ts';
export { validateBotRequest } from './validate-bot-request.ts';
