/** Where a job is: the four directories. */
export const STATES = ["pending", "active", "complete", "failed"] as const;
export type State = (typeof STATES)[number];
