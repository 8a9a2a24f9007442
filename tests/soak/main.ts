/** `make soak`: a long run, told by SEED and KILLS. */
import { type Figures, soak } from "./soak.ts";

const seed = Number(Deno.env.get("SEED") ?? Date.now() % 1_000_000);
const kills = Number(Deno.env.get("KILLS") ?? 500);
let faults = 0;

function say({ kills: done, stops, powerCuts, operations, unknown, refused, runs }: Figures) {
  console.log(
    `${done}/${kills} kills, ${stops} stops, ${powerCuts} power cuts; ${operations} operations, ${refused} refused, ` +
      `${unknown} unknown; ${runs} runs; ${faults} faults`,
  );
}

console.log(`SEED=${seed} KILLS=${kills}`);
const figures = await soak({
  seed,
  kills,
  onKill: (figures) => figures.kills % 25 === 0 && say(figures),
  onFault: (fault) => {
    faults++;
    console.error(`FAULT (SEED=${seed}): ${fault}`);
  },
});
say(figures);
Deno.exitCode = faults === 0 ? 0 : 1;
