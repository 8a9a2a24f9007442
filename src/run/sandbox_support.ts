import type { PortOption, SandboxRules } from "./sandbox_rules.ts";

/** Something that older kernels can't confine, by the version of their Landlock. */
interface Limit {
  /** The first version that can. */
  abi: number;
  /** The first Linux that has it. */
  linux: string;
  /** What jobs may do without it. */
  free: string;
  /** The rules that mean nothing without it. */
  options: readonly PortOption[];
}

const LIMITS: readonly Limit[] = [
  { abi: 3, linux: "6.2", free: "truncate files outside of the rules by truncate(2)", options: [] },
  { abi: 4, linux: "6.7", free: "connect to and bind every TCP port", options: ["--connect", "--bind"] },
  { abi: 5, linux: "6.10", free: "control the devices that they may read", options: [] },
  {
    abi: 6,
    linux: "6.12",
    free: "signal processes and reach abstract Unix sockets outside of the sandbox",
    options: [],
  },
];

/** One sentence for each thing that jobs may do since this kernel can't confine it; none from Linux 6.12 on. */
export function limitsOf(abi: number): string[] {
  return LIMITS.filter((limit) => abi < limit.abi).map(({ free, linux }) =>
    `jobs can ${free} (before Linux ${linux})`
  );
}

/**
 * Why a sandbox that has to be whole can't be, naming the rules that mean nothing here.
 * @returns `undefined` if it can.
 */
export function refusalOf(abi: number, { ports }: SandboxRules): string | undefined {
  const missing = LIMITS.filter((limit) => abi < limit.abi);
  if (missing.length === 0) return undefined;
  const unkept = ports.filter(({ option }) => missing.some(({ options }) => options.includes(option)));
  const rules = unkept.map(({ option, port }) => `${option} ${port}`).join(", ");
  return `the kernel can't enforce --sandbox=require${rules && `, nor ${rules}`}: ${
    limitsOf(abi).join("; ")
  }`;
}
