import assert from "node:assert/strict";

const CACHE = `${
  Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? Deno.env.get("TMPDIR") ?? "/tmp"}/.cache`
}/go-build`;

/** For go: it keeps what it writes as long as the tests keep theirs, and downloads nothing. */
const GO_ENVIRONMENT = {
  GOCACHE: CACHE,
  GOTOOLCHAIN: "local",
  GOFLAGS: "-mod=mod",
  CGO_ENABLED: "0",
  XDG_CONFIG_HOME: CACHE, // Where it counts what it is used for.
};

/** The go command, for a shell. */
export const GO = Object.entries(GO_ENVIRONMENT).map(([name, value]) => `${name}="${value}"`).join(" ") +
  " go";

/**
 * Compiles a program. On a busy machine the first one takes half a minute, for the standard library, which is longer than
 * the harness waits for anything; so it has no limit.
 */
export async function compileGo(source: string, program: string): Promise<void> {
  const args = ["build", "-o", program, source];
  const { success, stderr } = await new Deno.Command("go", { args, env: GO_ENVIRONMENT, stdin: "null" })
    .output();
  assert.ok(success, new TextDecoder().decode(stderr));
}
