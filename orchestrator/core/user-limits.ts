/** What one user may have of each thing that the store keeps. The only place that says so; today it is the same for all. Pure. */

export interface UserLimits {
  /** That may run. */
  readonly bots: number;
  /** That are kept, running or not, with deleted ones whose data is kept. */
  readonly keptBots: number;
  /** Of sources, each counted in full for each user who has it, and of uploads that are under way. */
  readonly sourceBytes: number;
  /** Of jobs: open ones are refused beyond it, and ended ones are forgotten, the user's oldest first. */
  readonly jobBytes: number;
  /** What stops and deletes may take on top of that, so that no flood of other jobs keeps the user from ending a bot. */
  readonly endingJobBytes: number;
}

const endingShare = 1 / 16;

export interface LimitSettings {
  readonly maxBotsPerUser: number;
  readonly maxKeptBotsPerUser: number;
  readonly maxSourceBytesPerUser: number;
  readonly maxJobBytesPerUser: number;
}

export const userLimitsOf = (settings: LimitSettings, _userId: string): UserLimits => ({
  bots: settings.maxBotsPerUser,
  keptBots: settings.maxKeptBotsPerUser,
  sourceBytes: settings.maxSourceBytesPerUser,
  jobBytes: settings.maxJobBytesPerUser,
  endingJobBytes: Math.floor(settings.maxJobBytesPerUser * endingShare),
});

/** What a user has of all that is limited or grows in the store. */
export interface Usage {
  readonly limits: UserLimits;
  /** That run or may run. */
  readonly bots: number;
  /** All that are not deleted. */
  readonly keptBots: number;
  /** Names of deleted ones whose data is kept on a worker, which count as kept too, in order. */
  readonly deletedWithData: readonly string[];
  readonly sources: number;
  /** Without those of uploads that are under way. */
  readonly sourceBytes: number;
  readonly uploadBytes: number;
  /** Open and ended. */
  readonly jobBytes: number;
  readonly endedJobs: number;
  readonly events: number;
  readonly eventBytes: number;
}
