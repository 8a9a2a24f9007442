/**
 * The go command, for a shell. Its cache is kept as long as that of the tests, since it takes seconds to compile the standard
 * library; and it downloads nothing.
 */
export const GO = `GOCACHE="${cacheFolder()}/go-build" GOTOOLCHAIN=local GOFLAGS=-mod=mod CGO_ENABLED=0 go`;

function cacheFolder(): string {
  return Deno.env.get("XDG_CACHE_HOME") ??
    `${Deno.env.get("HOME") ?? Deno.env.get("TMPDIR") ?? "/tmp"}/.cache`;
}
