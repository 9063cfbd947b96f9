/** Which letter of the Latin keyboard a key stands for: with Ctrl or ⌘ also where it writes Cyrillic, Greek or Hebrew. */
export function letterOf({ key, code }: Pick<KeyboardEvent, "key" | "code">): string {
  if (/^[\p{ASCII}]$|^\p{Script=Latin}$/u.test(key)) return key.toLowerCase();
  return /^Key([A-Z])$/.exec(code)?.[1]?.toLowerCase() ?? "";
}
