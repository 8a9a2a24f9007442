import { filedCommand, run } from "./harness.ts";
import { DENO_DIR } from "./program.ts";

const TREE = new URL("..", import.meta.url).pathname;

/** What makes an ordinary user of root; nothing if one runs this. */
export const AS_USER = Deno.uid() === 0
  ? ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
  : [];

/** Whether that user may read filed and its runtime at all, which in root's own home it may not. */
export const MAY_RUN = await canRun();

async function canRun(): Promise<boolean> {
  const [deno] = filedCommand([]);
  const { status } = await run([
    ...AS_USER,
    "sh",
    "-c",
    `test -r ${TREE}main.ts && test -r ${DENO_DIR} && test -x ${deno}`,
  ]);
  return status === 0;
}
