import { must } from "../../must.ts";
import { LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, { environ: { type: "pointer" } });

/**
 * The environment of this process as it is now: `NAME=value` each, any bytes but NUL. Deno's own list leaves
 * out what is not UTF-8; /proc/self/environ still has what the shipped file sets for the runtime and deletes.
 * @see environ(7)
 */
export function environ(): Uint8Array[] {
  const variable = must(symbols.environ, "libc has a variable environ");
  const list = new Deno.UnsafePointerView(variable).getPointer();
  return list === null ? [] : [...readList(new Deno.UnsafePointerView(list))];
}

const POINTER_BYTES = 8;

/** The strings of a list that ends with NULL. */
function* readList(list: Deno.UnsafePointerView) {
  for (let at = 0;; at += POINTER_BYTES) {
    const entry = list.getPointer(at);
    if (entry === null) return;
    yield readCString(new Deno.UnsafePointerView(entry));
  }
}

function readCString(memory: Deno.UnsafePointerView): Uint8Array {
  let length = 0;
  while (memory.getUint8(length) !== 0) length++;
  return new Uint8Array(memory.getArrayBuffer(length)).slice();
}
