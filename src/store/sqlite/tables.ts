import type { DatabaseSync } from "node:sqlite";
import { Attempts } from "./attempts.ts";
import { Contents } from "./contents.ts";
import { Counters } from "./counters.ts";
import { Edges } from "./edges.ts";
import { Jobs } from "./jobs.ts";
import { Listing } from "./listing.ts";
import { Logs } from "./logs.ts";
import { RetainedLogs } from "./retained_logs.ts";
import { Runs } from "./runs.ts";
import { SettingsTable } from "./settings_table.ts";
import { Slots } from "./slots.ts";
import type { Transactions } from "./transactions.ts";
import { Usages } from "./usages.ts";
import { Waiting } from "./waiting.ts";

export type Tables = ReturnType<typeof openTables>;

/** What is in the state file, each part with its statements, and with what is known of it in memory. */
export function openTables(
  database: DatabaseSync,
  transactions: Transactions,
  accountOf: (uid: number) => number,
) {
  const counters = new Counters(database, transactions);
  const usages = new Usages(database, accountOf);
  const slots = new Slots(database, transactions);
  const runs = new Runs(database, transactions, slots, usages);
  const contents = new Contents(database, counters);
  const jobs = new Jobs(database, transactions, { runs, slots, usages, contents }, accountOf);
  const logs = new Logs(database, counters);
  const attempts = new Attempts(database, usages);
  return {
    ...{ counters, usages, slots, runs, contents, jobs, logs, attempts },
    edges: new Edges(database, transactions, jobs, attempts),
    retained: new RetainedLogs(database, transactions, logs, usages),
    waiting: new Waiting(database, jobs),
    listing: new Listing(database, jobs, runs),
    settings: new SettingsTable(database, transactions, "settings", ["value"]),
    nodes: new SettingsTable(database, transactions, "nodes", ["uid", "gid", "mode"]),
  };
}
