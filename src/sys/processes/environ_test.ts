import assert from "node:assert/strict";

const SCRIPT = `
  import { environ } from "${new URL("./environ.ts", import.meta.url)}";
  for (const entry of environ()) console.log(entry.toHex());`;

Deno.test("environ() is the environment that the process was started with, of any bytes", async () => {
  const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0)).toHex();
  const { stdout, stderr } = await new Deno.Command("sh", {
    args: [
      "-c",
      `A="$(printf 'two  words\nand \\303\\251')" B="$(printf '=\\377')" C= exec "$@"`,
      "sh",
      Deno.execPath(),
      "eval",
      "--no-lock",
      SCRIPT,
    ],
  }).output();
  const lines = new TextDecoder().decode(stdout).split("\n");
  for (const entry of ["A=two  words\nand \xc3\xa9", "B==\xff", "C="]) {
    assert.ok(lines.includes(bytes(entry)), new TextDecoder().decode(stderr));
  }
});
