/** The contract for the files of the four directories, in memory: what each system call gives, and what it changes. */
import type { Answer } from "./client.ts";
import {
  type Call,
  COMPLETE,
  type Directory,
  FAILED,
  type Path,
  PENDING,
  RENAME_NOREPLACE,
} from "./calls.ts";
import { Command, type Job, logOf, mayMove, type OpenFile, WITHDRAWN } from "./files.ts";

const MAX_COMMAND_BYTES = 16_777_216;
const WRITE_BITS = 0o222;
const UMASK = 0o022;
const isRoot = Deno.uid() === 0;

class Refusal extends Error {
  constructor(readonly errno: string) {
    super(errno);
  }
}

/** What the mount must answer; `undefined`: whatever it likes. */
export type Expected = Answer | undefined;

/** A field of stat(2) that says when something was just done. */
export const JUST_NOW = "just now";
/** The answer is up to the mount. */
const ANY = Symbol();

type Arguments<Name extends Call["call"]> = Extract<Call, { call: Name }>;

export class Model {
  readonly #jobs = new Map<string, Job>();
  readonly #open = new Map<string, OpenFile>();
  #inodes = 0;

  constructor() {
    for (const name of PENDING) this.#populate(name, "pending", `: ${name}`, "");
    for (const name of FAILED) this.#populate(name, "failed", `: ${name}`, WITHDRAWN);
    for (const name of COMPLETE) this.#populate(name, "complete", `: ${name}`, "");
  }

  /** The names in a directory, sorted. */
  names(directory: Directory): string[] {
    return [...this.#jobs.values()].filter((job) => job.directory === directory).map(({ name }) => name)
      .sort();
  }

  /** The call on a descriptor that is open, or on one that is not yet; `undefined` if there is none. */
  resolve(call: Call): Call | undefined {
    const resolved = this.#withDescriptor(call);
    return resolved && this.#withoutHole(resolved);
  }

  #withDescriptor(call: Call): Call | undefined {
    if (call.call === "open") return this.#open.has(slotOf(call)) ? undefined : call;
    if (!("slot" in call)) return call;
    const open = [...this.#open.keys()];
    if (open.length === 0) return undefined;
    const [client, slot] = (open[(call.client + call.slot) % open.length] as string).split("/").map(Number);
    const resolved = { ...call, client: client as number, slot: slot as number };
    const isTaken = resolved.call === "dup" && this.#open.has(slotOf({ ...resolved, slot: resolved.to }));
    return isTaken ? undefined : resolved;
  }

  /**
   * The call such that it makes no hole in a file, and a write does not make it too long: all would be refused
   * then. `undefined`: it can't.
   */
  #withoutHole(call: Call): Call | undefined {
    const file = "slot" in call ? this.#open.get(slotOf(call)) : undefined;
    const command = call.call === "truncate" ? this.#jobs.get(call.path.name)?.command : file?.command;
    if (!command) return call;
    const lengthBytes = command.isVague ? 0 : command.bytes.length;
    switch (call.call) {
      case "write":
        return !file?.appends && (file?.position ?? 0) > lengthBytes ? undefined : call;
      case "pwrite": {
        return { ...call, offset: Math.min(call.offset, lengthBytes) };
      }
      case "truncate":
      case "ftruncate":
        return call.size > MAX_COMMAND_BYTES ? call : { ...call, size: Math.min(call.size, lengthBytes) };
      default:
        return call;
    }
  }

  /** Makes the call. */
  make(call: Call): Expected {
    try {
      const value = this.#make(call);
      return value === ANY ? undefined : { value: value ?? null };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { errno: error.errno };
    }
  }

  #make(call: Call): unknown {
    switch (call.call) {
      case "open":
        return this.#openFile(call);
      case "close":
        return this.#close(call);
      case "dup":
        return this.#dup(call);
      case "write":
      case "pwrite":
        return this.#write(call);
      case "pread":
        return this.#read(call);
      case "ftruncate": {
        const file = this.#opened(call);
        if (!file.writes) throw new Refusal("EINVAL");
        return truncate(file.command as Command, call.size);
      }
      case "fsync":
        return this.#opened(call).command?.isVague ? ANY : null;
      case "fstat": {
        const file = this.#opened(call);
        return file.command?.isVague ? ANY : attributesOf(file.job, file.command);
      }
      case "fchmod": {
        const { job, command } = this.#opened(call);
        if (job.directory === "removed" || command && command !== job.command) return ANY;
        if (!command && job.directory === "pending") throw new Refusal("ESTALE"); // A log, but the job shows none.
        return changeMode(job, call.mode);
      }
      case "truncate": {
        const job = this.#find(call.path);
        if (job.directory !== "pending" || !allows(job, "write")) throw new Refusal("EACCES");
        const answer = truncate(job.command, call.size);
        job.command.close();
        return answer;
      }
      case "stat":
        return attributesOf(...this.#shown(call.path));
      case "chmod":
        return changeMode(this.#find(call.path), call.mode);
      case "chown":
        return void Object.assign(this.#find(call.path), { uid: call.uid, gid: call.gid });
      case "utimens":
        return changeTimes(this.#find(call.path), call);
      case "unlink":
        return this.#remove(this.#find(call.path));
      case "mkdir":
        throw new Refusal(this.#at(call.path) ? "EEXIST" : "EPERM");
      case "link":
        this.#find(call.path);
        throw new Refusal(this.#at(call.to) ? "EEXIST" : "EPERM");
      case "rename":
        return this.#rename(call);
      case "read": {
        const [job, command] = this.#shown(call.path);
        if (!allows(job, "read")) throw new Refusal("EACCES");
        return command?.isVague ? ANY : command?.bytes ?? job.log;
      }
      case "scan":
        return this.#scan(call);
      default:
        return call satisfies never;
    }
  }

  #populate(name: string, directory: Directory, text: string, end: string) {
    const job = this.#create({ directory: "pending", name }, 0o666);
    job.command.replace(text);
    job.command.close();
    if (directory !== "pending") {
      Object.assign(job, { directory, log: logOf(text) + end, modifiedAt: JUST_NOW });
    }
  }

  /** @throws {Refusal} If no file can have the name. */
  #at({ directory, name }: Path): Job | undefined {
    if (new TextEncoder().encode(name).length > 255) throw new Refusal("ENAMETOOLONG");
    if (/\p{Cc}/u.test(name) || !name.isWellFormed()) throw new Refusal("EINVAL");
    const job = this.#jobs.get(name);
    return job?.directory === directory ? job : undefined;
  }

  #find(path: Path): Job {
    const job = this.#at(path);
    if (!job) throw new Refusal("ENOENT");
    return job;
  }

  /** What a path shows: the job, and its command if that is what it shows of it. */
  #shown(path: Path): [Job, Command | undefined] {
    const job = this.#find(path);
    return [job, job.directory === "pending" ? job.command : undefined];
  }

  #opened(call: { client: number; slot: number }): OpenFile {
    return this.#open.get(slotOf(call)) as OpenFile;
  }

  #create({ directory, name }: Path, mode: number): Job {
    if (directory !== "pending") throw new Refusal("EPERM");
    if (this.#jobs.has(name)) throw new Refusal("EEXIST");
    const job: Job = {
      inode: ++this.#inodes,
      ...{ name, directory, mode: mode & ~UMASK & 0o777, uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 },
      ...{ command: new Command(), log: "", modifiedAt: JUST_NOW, accessedAt: undefined },
    };
    job.command.onChange = () => job.modifiedAt = afterWrite(job);
    this.#jobs.set(name, job);
    return job;
  }

  #openFile(call: Arguments<"open">): void {
    const { path, flags, mode } = call;
    const has = (flag: (typeof flags)[number]) => flags.includes(flag);
    const reads = !has("O_WRONLY");
    const writes = !has("O_RDONLY");
    const found = this.#at(path);
    if (found && has("O_CREAT") && has("O_EXCL")) throw new Refusal("EEXIST");
    if (!found && !has("O_CREAT")) throw new Refusal("ENOENT");
    if (found && (reads && !allows(found, "read") || (writes || has("O_TRUNC")) && !allows(found, "write"))) {
      throw new Refusal("EACCES");
    }
    const job = found ?? this.#create(path, mode);
    const command = job.directory === "pending" ? job.command : undefined;
    if (!command && (writes || has("O_TRUNC"))) throw new Refusal("EACCES");
    if (has("O_TRUNC") && found) command?.replace("");
    const holds = !found || writes || has("O_TRUNC");
    const file = {
      job,
      command,
      reads,
      writes,
      appends: has("O_APPEND"),
      holds,
      position: 0,
      descriptors: 1,
    };
    this.#open.set(slotOf(call), file);
  }

  #close(call: Arguments<"close">): unknown {
    const { command, holds } = this.#opened(call);
    this.#open.delete(slotOf(call));
    if (command?.isVague) return ANY;
    if (holds) command?.close();
  }

  #dup(call: Arguments<"dup">): void {
    this.#open.set(slotOf({ ...call, slot: call.to }), this.#opened(call));
  }

  #write(call: Arguments<"write" | "pwrite">): unknown {
    const file = this.#opened(call);
    if (!file.writes) throw new Refusal("EBADF");
    const command = file.command as Command;
    if (command.isVague) return ANY;
    const written = call.bytes.repeat(call.times);
    const { length } = written;
    if (length === 0) return 0;
    const at = file.appends ? command.bytes.length : call.call === "pwrite" ? call.offset : file.position;
    const end = at + length;
    if (call.call === "write") file.position = end;
    const { bytes } = command;
    command.replace(bytes.slice(0, at).padEnd(at, "\0") + written + bytes.slice(end));
    return length;
  }

  #read(call: Arguments<"pread">): unknown {
    const file = this.#opened(call);
    if (!file.reads) throw new Refusal("EBADF");
    if (file.command?.isVague) return ANY;
    return (file.command?.bytes ?? file.job.log).slice(call.offset, call.offset + call.size);
  }

  #remove(job: Job): void {
    this.#jobs.delete(job.name);
    job.directory = "removed";
  }

  #rename({ path, to, flags }: Arguments<"rename">): void {
    const job = this.#find(path);
    const target = this.#at(to);
    if (target && flags === RENAME_NOREPLACE) throw new Refusal("EEXIST");
    if (target === job) return;
    if (!mayMove(path, to)) throw new Refusal("EPERM");
    const other = this.#jobs.get(to.name);
    if (other && other !== job) {
      if (path.directory !== to.directory || other.directory !== to.directory) throw new Refusal("EEXIST");
      this.#remove(other);
      if (path.directory === "pending") job.inode = other.inode; // It is the same job, rewritten.
      // A rewrite by rename waits for what the job waited for that it replaces.
      if (waits(other) && !waits(job)) job.modifiedAt = undefined;
    }
    this.#jobs.delete(job.name);
    job.name = to.name;
    this.#jobs.set(job.name, job);
    if (path.directory !== to.directory) move(job, to.directory);
  }

  #scan({ path: { directory }, ahead, behind }: Arguments<"scan">): unknown {
    const all = this.names(directory);
    for (const name of ahead) {
      if (!all.includes(name)) throw new Refusal("ENOENT");
      this.#remove(this.#find({ directory, name }));
    }
    const seen = this.names(directory);
    for (const name of behind) if (seen.includes(name)) this.#remove(this.#find({ directory, name }));
    return [".", "..", ...seen].sort();
  }
}

function slotOf({ client, slot }: { client: number; slot: number }): string {
  return `${client}/${slot}`;
}

/** What the kernel asks before a file is opened or truncated. */
function allows(job: Job, access: "read" | "write"): boolean {
  const mode = job.directory === "pending" ? job.mode : job.mode & ~WRITE_BITS;
  return isRoot || (mode & (access === "read" ? 0o400 : 0o200)) !== 0;
}

function truncate(command: Command, size: number): unknown {
  if (command.isVague) return ANY;
  if (size > MAX_COMMAND_BYTES) throw new Refusal("EFBIG");
  command.replace(command.bytes.slice(0, size).padEnd(size, "\0"));
}

/** @param command What the file shows, if not the log. */
function attributesOf(job: Job, command: Command | undefined) {
  const { mode, uid, gid, modifiedAt, accessedAt } = job;
  return {
    ...command?.isVague ? {} : { size: command ? command.bytes.length : job.log.length },
    mode: job.directory === "removed" ? undefined : command ? mode : mode & ~WRITE_BITS,
    ...{ uid, gid, links: job.directory === "removed" ? 0 : 1, inode: command ? job.inode : undefined },
    ...{ modifiedAt, accessedAt },
  };
}

function changeMode(job: Job, mode: number): void {
  job.mode = job.directory === "pending" ? mode & 0o777 : mode & 0o777 & ~WRITE_BITS | job.mode & WRITE_BITS;
}

function changeTimes(job: Job, { atime, mtime }: { atime: number; mtime: number }): void {
  job.accessedAt = atime * 1_000;
  job.modifiedAt = mtime * 1_000;
}

/** Whether its time of modification is when it may start. */
function waits({ modifiedAt }: Job): boolean {
  return typeof modifiedAt === "number" && modifiedAt > Date.now() || modifiedAt === undefined;
}

function afterWrite(job: Job): Job["modifiedAt"] {
  return waits(job) ? job.modifiedAt : JUST_NOW;
}

function move(job: Job, to: Directory): void {
  job.directory = to;
  if (to === "failed") {
    job.log = logOf(job.command.closed) + WITHDRAWN; // The log of earlier attempts went with the retry.
    job.modifiedAt = JUST_NOW;
    // Who has it open keeps what he has; how far that goes is nowhere promised.
    job.command.isVague = true;
    job.command = new Command(job.command.closed);
  } else job.modifiedAt = undefined; // The last write: that of the command, however long ago.
  job.command.onChange = () => job.modifiedAt = afterWrite(job);
}
