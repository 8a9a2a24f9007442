import assert from "node:assert/strict";
import * as abi from "./abi.ts";

/** Structs whose table is checked field by field. */
const STRUCTS: Record<string, Readonly<Record<string, number>>> = {
  fuse_in_header: abi.IN_HEADER,
  fuse_out_header: abi.OUT_HEADER,
  fuse_init_in: abi.INIT_IN,
  fuse_init_out: abi.INIT_OUT,
  fuse_attr: abi.ATTR,
  fuse_entry_out: abi.ENTRY_OUT,
  fuse_attr_out: abi.ATTR_OUT,
  fuse_open_out: abi.OPEN_OUT,
  fuse_write_out: abi.WRITE_OUT,
  fuse_dirent: abi.DIRENT,
  fuse_kstatfs: abi.KSTATFS,
  fuse_forget_in: abi.FORGET_IN,
  fuse_batch_forget_in: abi.BATCH_FORGET_IN,
  fuse_forget_one: abi.FORGET_ONE,
  fuse_interrupt_in: abi.INTERRUPT_IN,
  fuse_getattr_in: abi.GETATTR_IN,
  fuse_setattr_in: abi.SETATTR_IN,
  fuse_mknod_in: abi.MKNOD_IN,
  fuse_mkdir_in: abi.MKDIR_IN,
  fuse_rename_in: abi.RENAME_IN,
  fuse_rename2_in: abi.RENAME2_IN,
  fuse_open_in: abi.OPEN_IN,
  fuse_create_in: abi.CREATE_IN,
  fuse_read_in: abi.READ_IN,
  fuse_write_in: abi.WRITE_IN,
  fuse_flush_in: abi.FLUSH_IN,
  fuse_release_in: abi.RELEASE_IN,
  fuse_fsync_in: abi.FSYNC_IN,
};

/** Structs and opcodes that came after 7.38, by the minor that the header must have. */
const SINCE_39: typeof STRUCTS = {
  fuse_statx_out: abi.STATX_OUT,
  fuse_statx: abi.STATX,
  fuse_sx_time: abi.SX_TIME,
  fuse_statx_in: abi.STATX_IN,
};
const OPCODES_SINCE: Record<string, number> = { STATX: 39, COPY_FILE_RANGE_64: 45 };

/** The numbers of C, by expression. @throws If there is no C compiler: the tables would go unchecked. */
async function evaluate(program: string): Promise<Map<string, number>> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/abi.c`, program);
    const args = ["-o", `${directory}/abi`, `${directory}/abi.c`];
    const compiled = await new Deno.Command("cc", { args, stdin: "null" }).output().catch((cause) => {
      throw new Error(
        "This test compiles against linux/fuse.h: install the packages gcc and linux-libc-dev",
        { cause },
      );
    });
    assert.ok(compiled.success, new TextDecoder().decode(compiled.stderr));
    const { stdout } = await new Deno.Command(`${directory}/abi`).output();
    const lines = new TextDecoder().decode(stdout).trim().split("\n").map((line) => line.split("\t"));
    return new Map(lines.map(([expression, value]) => [expression ?? "", Number(value)]));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** C that prints `expression TAB value` for each. */
function printing(expressions: Iterable<string>, condition = "1"): string {
  const prints = [...expressions].map((e) =>
    `printf("%s\\t%lld\\n", ${JSON.stringify(e)}, (long long)(${e}));`
  );
  return `#if ${condition}\n${prints.join("\n")}\n#endif\n`;
}

/** What each expression must be, from the tables. */
function expected(structs: typeof STRUCTS, struct: (name: string) => string): Map<string, number> {
  const all = new Map<string, number>();
  for (const [name, { sizeof: size, ...fields }] of Object.entries(structs)) {
    if (size !== undefined) all.set(`sizeof(struct ${struct(name)})`, size);
    for (const [field, offset] of Object.entries(fields)) {
      all.set(`offsetof(struct ${struct(name)}, ${field})`, offset);
    }
  }
  return all;
}

const atLeast = (minor: number) => `FUSE_KERNEL_MINOR_VERSION >= ${minor}`;

Deno.test("every offset, size, flag and opcode is that of linux/fuse.h", async () => {
  const now = expected(STRUCTS, (name) => name);
  const later = expected(SINCE_39, (name) => name);
  // struct statx of linux/stat.h has the layout of fuse_statx, in headers of any age.
  const { sizeof: _, ...statx } = abi.STATX;
  const stat = new Map(
    Object.entries(statx).map(([field, at]) => [`offsetof(struct statx, stx_${field})`, at]),
  );
  const constants = new Map<string, number>([
    ...Object.entries(abi.INIT_FLAGS),
    ...Object.entries(abi.FATTR).map(([name, bit]): [string, number] => [`FATTR_${name}`, bit]),
    ["FUSE_KERNEL_VERSION", abi.FUSE_KERNEL_VERSION],
    ["FUSE_GETATTR_FH", abi.FUSE_GETATTR_FH],
    ["FUSE_FSYNC_FDATASYNC", abi.FUSE_FSYNC_FDATASYNC],
    ["FUSE_OPEN_KILL_SUIDGID", abi.FUSE_OPEN_KILL_SUIDGID],
    ["FUSE_WRITE_KILL_SUIDGID", abi.FUSE_WRITE_KILL_SUIDGID],
    ["FOPEN_DIRECT_IO", abi.FOPEN_DIRECT_IO],
    ["FOPEN_KEEP_CACHE", abi.FOPEN_KEEP_CACHE],
    ["STATX_BASIC_STATS", abi.STATX_BASIC_STATS],
    ["STATX_BTIME", abi.STATX_BTIME],
  ]);
  const opcodes = Object.entries(abi.OPCODE);
  const found = await evaluate(`
    #include <stddef.h>
    #include <stdio.h>
    #include <linux/fuse.h>
    #include <linux/stat.h>
    int main(void) {
      ${printing([...now.keys(), ...stat.keys(), ...constants.keys()])}
      ${printing(later.keys(), atLeast(39))}
      ${opcodes.map(([name]) => printing([`FUSE_${name}`], atLeast(OPCODES_SINCE[name] ?? 38))).join("")}
      return 0;
    }`);
  const ours = new Map([
    ...now,
    ...later,
    ...stat,
    ...constants,
    ...opcodes.map(([name, number]): [string, number] => [`FUSE_${name}`, number]),
  ]);
  assert.ok(found.size >= now.size + stat.size + constants.size, "the program printed too little");
  for (const [expression, value] of found) assert.equal(ours.get(expression), value, expression);
});
