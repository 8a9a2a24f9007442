import { requireDescriptors } from "./src/daemon/descriptors.ts";
import { lastWords } from "./src/cli/last_words.ts";
import { HELP } from "./src/cli/help.ts";
import { type Command, parseCommandLine, UsageError } from "./src/cli/options.ts";

Deno.exit(await main());

/** Runs filed. @returns The exit status: 0, 1 (it could not do it), 2 (the command line is wrong). */
async function main(): Promise<number> {
  try {
    const command = parseCommandLine(Deno.args, (name) => Deno.env.get(name));
    if (command.kind === "print") {
      console.log((await textOf(command)).trimEnd());
      return 0;
    }
    requireDescriptors(command.settings.sandbox);
    const { runDaemon } = await import("./src/daemon/daemon.ts"); // Not needed to print a help text.
    await runDaemon(command.settings);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`filed: ${error.message}; see filed --help`);
      return 2;
    }
    console.error(`filed: ${lastWords(error)}`);
    return 1;
  }
}

async function textOf({ what }: Command & { kind: "print" }): Promise<string> {
  if (what === "help") return HELP;
  const { manual, versionText } = await import("./src/cli/about.ts");
  return what === "version" ? await versionText() : await manual(new URL("man/filed.1", import.meta.url));
}
