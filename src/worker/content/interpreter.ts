import type { ContentKind } from "../../job/content.ts";

/** What the kernel looks at, to know a script: BINPRM_BUF_SIZE, linux/binfmts.h. */
const LOOK_BYTES = 256;
const NEWLINE = 10;

/** Of elf(5), for both sizes of addresses: where in the header, and in an entry of the table, what is. */
const ELF = {
  class: 4, // EI_CLASS
  data: 5, // EI_DATA
  32: { phoff: 28, phentsize: 42, phnum: 44, offset: 4, filesz: 16, header: 52, entry: 32 },
  64: { phoff: 32, phentsize: 54, phnum: 56, offset: 8, filesz: 32, header: 64, entry: 56 },
} as const;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const PT_INTERP = 3;

/**
 * What the kernel executes in the place of a job's content: what the `#!` line of a script names, or the
 * loader that a program names.
 * @returns `undefined`: nothing.
 */
export function interpreterOf(content: Uint8Array, how: ContentKind): string | undefined {
  if (how === "text") return undefined;
  const path = how === "script" ? scriptInterpreter(content) : loaderOf(content);
  return path === undefined || path.length === 0 ? undefined : new TextDecoder().decode(path);
}

/** As linux/fs/binfmt_script.c reads it. */
function scriptInterpreter(content: Uint8Array): Uint8Array | undefined {
  const seen = content.subarray("#!".length, LOOK_BYTES);
  const newline = seen.indexOf(NEWLINE);
  const line = newline < 0 ? seen : seen.subarray(0, newline);
  const from = line.findIndex((byte) => !isBlank(byte));
  if (from < 0) return undefined;
  const length = line.subarray(from).findIndex((byte) => isBlank(byte) || byte === 0);
  return line.subarray(from, length < 0 ? undefined : from + length);
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09;
}

function loaderOf(content: Uint8Array): Uint8Array | undefined {
  const at = content[ELF.class] === ELFCLASS64 ? ELF[64] : ELF[32];
  if (content.length < at.header) return undefined;
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const isLittle = content[ELF.data] === ELFDATA2LSB;
  const word = (offset: number) =>
    at === ELF[64] ? Number(view.getBigUint64(offset, isLittle)) : view.getUint32(offset, isLittle);
  const [count, size] = [view.getUint16(at.phnum, isLittle), view.getUint16(at.phentsize, isLittle)];
  for (let index = 0; index < count; index++) {
    const entry = word(at.phoff) + index * size;
    if (entry + at.entry > content.length) return undefined;
    if (view.getUint32(entry, isLittle) !== PT_INTERP) continue;
    const from = word(entry + at.offset);
    const text = content.subarray(from, from + word(entry + at.filesz));
    const end = text.indexOf(0);
    return end < 0 ? text : text.subarray(0, end);
  }
  return undefined;
}
