// submit.mjs PENDING ID FILE: submits the file in each way that Node has, and prints the ids.
import fs from "node:fs";
import { chmod, copyFile, cp, readFile, rename, utimes, writeFile } from "node:fs/promises";
import process from "node:process";
import { pipeline } from "node:stream/promises";

const [pending, prefix, source] = process.argv.slice(2);
const command = await readFile(source);

function path(way) {
  console.log(`${prefix}-${way}`);
  return `${pending}/${prefix}-${way}`;
}

fs.writeFileSync(path("writeFileSync"), command);
fs.appendFileSync(path("appendFileSync"), command);
await writeFile(path("writeFile"), command);
await writeFile(path("flush"), command, { flush: true });
await writeFile(`${pending}/.${prefix}-rename`, command, { flag: "wx" });
await rename(`${pending}/.${prefix}-rename`, path("rename"));
await copyFile(source, path("copyFile"));
await cp(source, path("cp"), { preserveTimestamps: true });
await pipeline(fs.createReadStream(source, { highWaterMark: 512 }), fs.createWriteStream(path("stream")));

const late = path("chmod");
await writeFile(late, command);
await chmod(late, 0o600);
await utimes(late, 1, 1);
