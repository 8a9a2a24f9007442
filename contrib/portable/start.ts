/** Starts filed in the folder that the self-extracting file has unpacked. Its header.sh runs this. */
import { removeUnused } from "./folders.ts";

/** What header.sh sets for the runtime alone, and keeps the value of: `=` and the value, or nothing. */
const SET_BY_HEADER = ["DENO_DIR", "DENO_NO_UPDATE_CHECK", "DENO_DISABLE_NODE_SHIM"];

for (const name of SET_BY_HEADER) {
  const kept = Deno.env.get(`FILED_${name}`);
  if (kept?.startsWith("=")) Deno.env.set(name, kept.slice(1));
  else Deno.env.delete(name);
  Deno.env.delete(`FILED_${name}`);
}
try {
  await removeUnused(import.meta.dirname as string);
} catch { /* The folders of other versions take room, and do no harm. */ }
await import("../../main.ts");
