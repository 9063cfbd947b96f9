/** Tool input and output, which are JSON texts, as a person reads them. */

import { withoutControls } from "~/protocol/controls";
import { parse } from "~/store/reading";

/** The field that says most, in this order. */
const TELLING = ["command", "file_path", "path", "pattern", "query", "url", "description", "prompt"];
const BRIEF = 200;

/** One line: what the tool was set on. */
export const brief = (input: string): string => withoutControls(telling(input)).slice(0, BRIEF);

function telling(input: string): string {
  const value = parse(input);
  if (value === undefined) return input.slice(0, 2 * BRIEF);
  if (typeof value !== "object" || value === null) return String(value).slice(0, 2 * BRIEF);
  const fields = value as Record<string, unknown>;
  const name = TELLING.find((each) => typeof fields[each] === "string") ?? Object.keys(fields).find((each) => typeof fields[each] === "string");
  return name ? String(fields[name]).slice(0, 2 * BRIEF).replace(/\s+/g, " ") : "";
}

/** JSON with line breaks; an object of plain texts as its lines. */
export function pretty(text: string): string {
  const value = parse(text);
  if (value === undefined) return text;
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return String(value);
  const entries = Object.entries(value);
  if (Array.isArray(value) || entries.some(([, each]) => typeof each === "object" && each !== null)) return JSON.stringify(value, null, 2);
  return entries.map(([name, each]) => line(name, String(each))).join("\n");
}

function line(name: string, value: string): string {
  return value.includes("\n") ? `${name}:\n${value}` : `${name}: ${value}`;
}
