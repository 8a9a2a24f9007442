/**
 * Shows what a terminal would obey, and what nobody would see: control characters, C1 and DEL among them; what
 * turns the order of the text around; what ends a line. Each becomes `\u` and four digits for each UTF-16 unit,
 * as in JSON.
 */
export function escapeInvisible(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
    return units.map((unit) => "\\u" + unit.toString(16).padStart(4, "0")).join("");
  });
}
