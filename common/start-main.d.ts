/** See start-main.js. */
export declare function complaintAbout(version: string): string | undefined;
export declare function startMain(name: 'orchestrator' | 'worker', url: string): Promise<void>;
