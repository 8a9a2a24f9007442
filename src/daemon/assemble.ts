import { Queue } from "../queue/queue.ts";
import type { Executor, ExecutorEvents } from "../run/executor.ts";
import { Scheduler, type SchedulerOptions } from "../schedule/scheduler.ts";
import type { Store } from "../store/store.ts";
import { Tree, type TreeOptions } from "../tree/tree.ts";

/** What the parts of a daemon need of the world: a test gives them another one. */
export interface AssemblyOptions<E extends Executor = Executor> extends SchedulerOptions {
  store: Store;
  tree: TreeOptions;
  /** Makes what runs jobs, and tells these events of it. @param identity The state file's own. */
  executor(events: ExecutorEvents, identity: string): E;
}

/** A daemon but for its mount. Nothing starts before `scheduler.start(executor)`. */
export interface Assembly<E extends Executor = Executor> extends AsyncDisposable {
  queue: Queue;
  scheduler: Scheduler;
  executor: E;
  tree: Tree;
}

/**
 * The one place where queue, scheduler, executor and tree are wired. Disposing of the parts ends what runs;
 * the store and the alarm stay with who opened them.
 */
export async function assemble<E extends Executor>(options: AssemblyOptions<E>): Promise<Assembly<E>> {
  await using owned = new AsyncDisposableStack();
  const queue = new Queue(options.store, options.tree.owner.uid);
  const scheduler = new Scheduler(queue, options);
  const executor = owned.use(options.executor(scheduler, await queue.identity()));
  const tree = owned.use(new Tree(queue, options.tree, () => queue.now()));
  return { queue, scheduler, executor, tree, ...disposing(owned.move()) };
}

/** To be spread into what owns all that is on the stack. */
export function disposing(stack: AsyncDisposableStack): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => stack.disposeAsync() };
}
