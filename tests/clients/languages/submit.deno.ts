// submit.deno.ts PENDING ID FILE: submits the file in each way that Deno has, and prints the ids.
const [pending, prefix, source] = Deno.args as [string, string, string];
const command = await Deno.readTextFile(source);

function path(way: string): string {
  console.log(`${prefix}-${way}`);
  return `${pending}/${prefix}-${way}`;
}

Deno.writeTextFileSync(path("writeTextFileSync"), command);
await Deno.writeTextFile(path("writeTextFile"), command);
await Deno.writeTextFile(path("createNew"), command, { createNew: true, mode: 0o600 });
await Deno.writeTextFile(path("append"), command, { append: true });
await Deno.copyFile(source, path("copyFile"));

const temporary = await Deno.makeTempFile({ dir: pending });
await Deno.writeTextFile(temporary, command);
await Deno.rename(temporary, path("makeTempFile"));

const file = await Deno.open(path("stream"), { write: true, createNew: true });
await new Blob([command]).stream().pipeTo(file.writable);
