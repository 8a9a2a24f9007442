import { ErrnoError } from "../../sys/errno.ts";
import { type Handled, handledBy, portRule, type Rule } from "../../sys/landlock.ts";
import { effectiveGid, effectiveUid } from "../../sys/processes/process.ts";
import { hasHeadroom } from "../../sys/files/reserve.ts";
import { atMost } from "../../sys/waiting/deadline.ts";
import { PORT_ACCESS, type SandboxSettings } from "../../run/sandbox_rules.ts";
import type { Reactor } from "../reactor.ts";
import { Confinement, type Owner, removeFolder } from "./confinement.ts";
import { realPathWithin } from "./look_up.ts";
import { removeOrphans } from "./orphans.ts";
import { OpenPaths, RuleError, START_MS } from "./paths.ts";
import { Removals } from "./removals.ts";
import { TempRoot } from "./temp_root.ts";

/** We look up the rules' paths again after this. */
const OPENED_MS = 1_000;
/** How many confinements are kept for the next jobs. */
const MAX_FREE = 64;
/** How long the removal of temporary folders may hold up a stop; the next start goes on with it. */
const STOP_MS = 500;

interface SandboxContext {
  reactor: Reactor;
  warn(message: string, fields: Record<string, unknown>): void;
}

/**
 * Confines each job by Landlock to the rules, and to a temporary folder that no other job has.
 *
 * To make and remove a folder costs 0.2 ms on ext4, a sixth of a short job. So the next job of the same user
 * gets a folder that a job has left untouched, with its ruleset. That takes a cgroup: only an empty one shows
 * that no process is left which still has the folder.
 */
export class Sandbox implements AsyncDisposable {
  readonly #settings: SandboxSettings;
  readonly #context: SandboxContext;
  readonly #handled: Handled;
  readonly #portRules: readonly Rule[];
  readonly #self: Owner = { uid: effectiveUid(), gid: effectiveGid() };
  readonly #paths: OpenPaths;
  readonly #removals: Removals;
  /** Those in which no job has left anything, the oldest first. */
  readonly #free: Confinement[] = [];
  /** Roots that somebody removed, or took elsewhere. */
  readonly #lostRoots: TempRoot[] = [];
  readonly #cleaning: Promise<void>;
  #root: TempRoot;
  #proof: string;
  #lookedAt = performance.now();
  #madeCount = 0;
  #mayReuse = false;

  private constructor(
    settings: SandboxSettings,
    paths: OpenPaths,
    root: TempRoot,
    context: SandboxContext,
  ) {
    const { abi, tempDirectory } = settings;
    this.#settings = settings;
    this.#context = context;
    this.#handled = handledBy(abi);
    this.#portRules = portRules(settings, this.#handled);
    this.#paths = paths;
    this.#root = root;
    this.#proof = root.makeProof();
    this.#removals = new Removals({
      ...context,
      confined: { abi, proof: () => this.#proof },
      what: "a job's temporary folder",
    });
    this.#cleaning = removeOrphans(tempDirectory, this.#removals);
  }

  /** @throws {RuleError} If a rule can't be kept, or no temporary folder can be made. */
  static async open(settings: SandboxSettings, context: SandboxContext): Promise<Sandbox> {
    const { rules, abi } = settings;
    const silent = (rule: string) => context.warn("the path of a rule does not answer", { rule });
    const paths = await OpenPaths.open(rules.paths, context.reactor, silent);
    try {
      paths.rules(handledBy(abi).fs); // Each can be kept.
      const tempDirectory = await realPathWithin(START_MS, settings.tempDirectory, context.reactor);
      return new Sandbox({ ...settings, tempDirectory }, paths, TempRoot.make(tempDirectory), context);
    } catch (error) {
      paths[Symbol.dispose]();
      if (!(error instanceof ErrnoError)) throw error;
      const reason = `Cannot make temporary folders in ${settings.tempDirectory}: ${error.message}`;
      throw new RuleError(`${reason}; name another place by TMPDIR`, { cause: error });
    }
  }

  /** The paths of the rules, and of the temporary folders, without links. */
  get realPaths(): { rules: string[]; tempDirectory: string } {
    return { rules: this.#paths.realPaths(), tempDirectory: this.#settings.tempDirectory };
  }

  /**
   * Looks up the rules' paths again, if that is due. Call before jobs enter.
   * @returns What to wait for first, a moment at most; `undefined` if nothing.
   */
  prepare(): Promise<void> | undefined {
    if (performance.now() - this.#lookedAt <= OPENED_MS) return undefined;
    this.#lookedAt = performance.now();
    return this.#paths.look();
  }

  /**
   * @param owner Who the job runs as; `undefined`: the daemon's own user.
   * @param file The descriptor of a file that the job may read and execute besides.
   * @throws {RuleError} If a rule can't be kept any more.
   * @throws {ErrnoError} If there is no room for another folder or descriptor.
   */
  enter(owner: Owner = this.#self, file?: number): Confinement {
    this.#keepRoot();
    const recipe = {
      handled: this.#handled,
      paths: this.#paths.rules(this.#handled.fs),
      ports: this.#portRules,
    };
    const confinement = this.#takeFree(owner) ?? this.#make(owner);
    try {
      confinement.enter(recipe, this.#proof, file);
      return confinement;
    } catch (error) {
      this.#discard(confinement);
      throw error;
    }
  }

  /**
   * From now on a confinement serves again if it is as it was. Call if it can be known that nothing is left
   * of a job.
   */
  allowReuse(): void {
    this.#mayReuse = true;
  }

  /** Gives up what is kept for jobs to come: each confinement has two descriptors open. */
  spare(): void {
    for (const confinement of this.#free.splice(0)) this.#discard(confinement);
  }

  /**
   * The job is over.
   * @param left Whether a process of it may live still: then nobody else gets its folder.
   */
  leave(confinement: Confinement, left: "nothing" | "perhaps something"): void {
    if (this.#mayReuse && left === "nothing" && this.#free.length < MAX_FREE) {
      if (confinement.isUntouched()) return void this.#free.push(confinement);
      this.#provide(confinement.owner);
    }
    this.#discard(confinement);
  }

  /** Call once no job runs any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.spare();
    await atMost(STOP_MS, this.#cleaning.then(() => this.#removals.idle()));
    this.#removals.stop();
    for (const root of [this.#root, ...this.#lostRoots]) {
      root.remove();
      root[Symbol.dispose]();
    }
    this.#paths[Symbol.dispose]();
  }

  /** Makes the root, or its proof, anew if somebody has removed it. */
  #keepRoot() {
    if (this.#root.isWhole()) return;
    try {
      this.#proof = this.#root.makeProof();
      if (this.#root.isWhole()) return;
    } catch (error) {
      // The root is gone, or something else is where the proof was.
      if (!(error instanceof ErrnoError && error.is("ENOENT", "EEXIST"))) throw error;
    }
    const { path } = this.#root;
    const root = TempRoot.make(this.#settings.tempDirectory);
    this.#lostRoots.push(this.#root);
    this.#root = root;
    this.#proof = root.makeProof();
    this.#context.warn("the folder of the jobs' temporary folders was made anew", {
      lost: path,
      made: root.path,
    });
  }

  #takeFree({ uid, gid }: Owner): Confinement | undefined {
    for (;;) {
      const index = this.#free.findIndex((one) =>
        one.owner.uid === uid && one.owner.gid === gid && one.isSettled()
      );
      const [confinement] = index < 0 ? [] : this.#free.splice(index, 1);
      if (!confinement || confinement.root === this.#root && confinement.isThere()) return confinement;
      this.#discard(confinement);
    }
  }

  #make(owner: Owner): Confinement {
    return new Confinement(this.#root, `${++this.#madeCount}.${owner.uid}`, owner);
  }

  /** Makes one for a job to come: once that enters, it is settled, and can serve again and again. */
  #provide(owner: Owner) {
    try {
      const confinement = this.#make(owner);
      if (hasHeadroom(confinement.fd)) this.#free.push(confinement);
      else this.#discard(confinement);
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error; // The next job will say so.
    }
  }

  #discard(confinement: Confinement) {
    const { root, name, owner } = confinement;
    confinement[Symbol.dispose]();
    removeFolder(root, name, owner.uid, this.#removals);
  }
}

/** Those that this kernel can keep. */
function portRules({ rules: { ports } }: SandboxSettings, { net }: Handled): Rule[] {
  const allowed = ports.map(({ option, port }) => ({ port, access: PORT_ACCESS[option] & net }));
  return allowed.filter(({ access }) => access !== 0).map(({ port, access }) => portRule(port, access));
}
