import { DatabaseSync, StatementSync } from "node:sqlite";

/** What a statement that fails leaves. */
export type Fault =
  /** The transaction, as it was before it. */
  | "refused"
  /** No transaction: SQLite took it back, as it does for some errors (https://sqlite.org/lang_transaction.html). */
  | "rolled-back"
  /** A database that answers nothing but a rollback, until `revive`. */
  | "dead";

type Method = "run" | "get" | "all";
type Call = (this: StatementSync, ...values: never[]) => unknown;

const METHODS: readonly Method[] = ["run", "get", "all"];
const WRITES = /^\s*(BEGIN|COMMIT|INSERT|UPDATE|DELETE)\b/;
const FULL = { code: "ERR_SQLITE_ERROR", errcode: 13 };

/** Has statements fail that are prepared while this is in force: as on a full disk, but where a test says. */
export class FailingStatements implements Disposable {
  readonly #statements = StatementSync.prototype as unknown as Record<Method, Call>;
  readonly #databases = Object.getPrototypeOf(DatabaseSync.prototype) as Pick<DatabaseSync, "prepare">;
  readonly #methods = METHODS.map((name) => [name, this.#statements[name]] as const);
  readonly #prepare = this.#databases.prepare;
  readonly #databaseOf = new WeakMap<StatementSync, DatabaseSync>();
  #next: { writesBefore: number; fault: Fault } | undefined;
  #isDead = false;
  /** How many have failed. */
  failures = 0;

  constructor() {
    const [prepare, databaseOf] = [this.#prepare, this.#databaseOf];
    this.#databases.prepare = function (this: DatabaseSync, ...arguments_) {
      const statement = prepare.apply(this, arguments_);
      databaseOf.set(statement, this);
      return statement;
    };
    const before = (statement: StatementSync) => this.#before(statement);
    for (const [name, method] of this.#methods) {
      this.#statements[name] = function (...values) {
        before(this);
        return method.apply(this, values);
      };
    }
  }

  /** The write after so many others fails. */
  failAfter(writesBefore: number, fault: Fault): void {
    this.#next = { writesBefore, fault };
  }

  /** Nothing fails, until it is asked for again. */
  stop(): void {
    this.#next = undefined;
    this.revive();
  }

  revive(): void {
    this.#isDead = false;
  }

  [Symbol.dispose](): void {
    this.#databases.prepare = this.#prepare;
    for (const [name, method] of this.#methods) this.#statements[name] = method;
  }

  #before(statement: StatementSync) {
    const sql = statement.sourceSQL;
    if (this.#isDead && sql !== "ROLLBACK") throw this.#failure();
    if (!this.#next || !WRITES.test(sql)) return;
    if (this.#next.writesBefore-- > 0) return;
    const { fault } = this.#next;
    this.#next = undefined;
    this.#isDead = fault === "dead";
    const database = this.#databaseOf.get(statement);
    if (fault === "rolled-back" && database?.isTransaction) database.exec("ROLLBACK");
    throw this.#failure();
  }

  #failure(): Error {
    this.failures++;
    return Object.assign(new Error("database or disk is full"), FULL);
  }
}
