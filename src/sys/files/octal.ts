/** Undoes the octal escapes of proc_pid_mountinfo(5): of space, tab, newline, `\` and `#`. */
export function unescapeOctal(field: string): string {
  if (!field.includes("\\")) return field;
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}
