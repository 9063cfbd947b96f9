/** What a tool call is about, read from its input: a change of files, a list of tasks, a command, or just fields. */

/** A file before and after; several pairs where a tool makes several edits of one file. */
export interface FileChange {
  path: string;
  kind: "edit" | "new" | "delete";
  pairs: { before: string; after: string }[];
}

export interface Task {
  words: string;
  state: "open" | "doing" | "done";
}

export type ToolView =
  | { kind: "change"; files: FileChange[] }
  | { kind: "tasks"; tasks: Task[] }
  | { kind: "command"; command: string }
  | { kind: "fields"; path: string };

/** What more than this holds is shown as its fields. */
const FILES_MOST = 200;
const EDITS_MOST = 500;
const TASKS_MOST = 500;
const PATCH_MOST = 2_000_000;
const PICTURES_MOST = 8;
/** Characters of a picture; a larger one is many megabytes to unpack for a glance. */
const PICTURE_MOST = 4_000_000;

type Fields = Record<string, unknown>;

export function viewOf(name: string, input: string): ToolView {
  const fields = fieldsOf(parse(input));
  const files = changes(name, fields, input);
  if (files.length > 0 && files.length <= FILES_MOST) return { kind: "change", files };
  const tasks = tasksOf(fields);
  if (tasks.length > 0) return { kind: "tasks", tasks };
  const command = commandOf(fields);
  return command ? { kind: "command", command } : { kind: "fields", path: textOf(fields, PATH) };
}

/** What a tool gave back: its text, its exit code, and its pictures as `data:` addresses. */
export interface ToolResult {
  text: string;
  exit: number | null;
  pictures: string[];
}

/** Return what a tool gave back, whether as text, as fields or as a list of texts and pictures. */
export function outputOf(output: string): ToolResult {
  const value = parse(output);
  const parts = Array.isArray(value) ? (value as unknown[]) : [];
  const pictures = parts.flatMap((each) => pictureOf(fieldsOf(each)) ?? []).slice(0, PICTURES_MOST);
  const rest = parts.filter((each) => pictureOf(fieldsOf(each)) === null);
  return { ...printed(pictures.length === 0 ? value : rest.length > 0 ? rest : "", output), pictures };
}

function pictureOf(fields: Fields): string | null {
  const source = fieldsOf(fields.source);
  const kind = textOf(source, ["media_type"]) || textOf(fields, ["mimeType", "media_type"]);
  const data = textOf(source, ["data"]) || textOf(fields, ["data"]);
  return /^image\/(?:png|jpeg|gif|webp|avif)$/.test(kind) && data !== "" && data.length <= PICTURE_MOST ? `data:${kind};base64,${data}` : null;
}

function printed(value: unknown, output: string): Omit<ToolResult, "pictures"> {
  if (value === undefined) return { text: output, exit: null };
  if (typeof value === "string") return { text: value, exit: null };
  if (Array.isArray(value)) {
    const texts = value.map((each) => textOf(fieldsOf(each), ["text"]));
    return { text: texts.every(Boolean) ? texts.join("\n") : output, exit: null };
  }
  const fields = fieldsOf(value);
  const exit = own(fields, ["exit_code", "exitCode", "code", "returncode"]);
  const streams = [["output", "content", "stdout", "result"], ["stderr", "error"]].map((names) => textOf(fields, names));
  const text = streams.filter(Boolean).join("\n");
  const known = Object.keys(fields).some((key) => STREAMS.has(key));
  return { text: known ? text : output, exit: typeof exit === "number" ? exit : null };
}

const STREAMS = new Set(["output", "stdout", "stderr", "exit_code", "exitCode", "returncode"]);

/** Agents of different makers call the same thing by different names. */
const PATH = ["file_path", "filePath", "path", "notebook_path", "target_file", "file", "filename"];
const BEFORE = ["old_string", "oldString", "old_str", "old_text", "oldText", "old"];
const AFTER = ["new_string", "newString", "new_str", "new_text", "newText", "new", "new_source"];
const WHOLE = ["content", "contents", "file_text", "text"];
const PATCH = ["patch", "patchText", "diff", "input"];
const WRITES = /^(write|create|save|add)|write_?file|create_?file/i;

function changes(name: string, fields: Fields, input: string): FileChange[] {
  const patch = textOf(fields, PATCH) || (Object.keys(fields).length === 0 ? input : "");
  if (isPatch(patch)) return readPatch(patch);
  const command = own(fields, ["command"]);
  if (Array.isArray(command) && command[0] === "apply_patch" && isPatch(String(command[1]))) return readPatch(String(command[1]));
  const path = textOf(fields, PATH);
  if (!path) return [];
  const list = own(fields, ["edits", "replacements"]);
  const edits = Array.isArray(list) ? list.slice(0, EDITS_MOST).map(fieldsOf) : [fields];
  const pairs = edits.flatMap((each) => pairOf(each) ?? []);
  if (pairs.length > 0) return [{ path, kind: pairs.every(({ before }) => before === "") ? "new" : "edit", pairs }];
  const whole = own(fields, WHOLE);
  return WRITES.test(name) && typeof whole === "string" ? [{ path, kind: "new", pairs: [{ before: "", after: whole }] }] : [];
}

function pairOf(fields: Fields): { before: string; after: string } | null {
  const [before, after] = [own(fields, BEFORE), own(fields, AFTER)];
  return typeof before === "string" && typeof after === "string" ? { before, after } : null;
}

const isPatch = (text: string) => text.length <= PATCH_MOST && (/^\*\*\* Begin Patch/m.test(text) || /^--- [^\n]+\n\+\+\+ /m.test(text));

/** Both ways of writing a patch: "*** Update File:" of agents, "---" and "+++" of diff and git. */
function readPatch(patch: string): FileChange[] {
  const files: FileChange[] = [];
  const lines = patch.split("\n");
  let before: string[] = [];
  let after: string[] = [];
  const close = () => {
    if (before.length + after.length > 0) files.at(-1)?.pairs.push({ before: before.join("\n"), after: after.join("\n") });
    [before, after] = [[], []];
  };
  for (const [at, line] of lines.entries()) {
    const head = /^\*\*\* (Add|Update|Delete) File: (.+)$/.exec(line);
    if (head || (line.startsWith("--- ") && lines[at + 1]?.startsWith("+++ "))) {
      close();
      files.push(head ? { path: head[2]!.trim(), kind: KINDS.get(head[1]!)!, pairs: [] } : named(line, lines[at + 1]!));
    } else if (line.startsWith("@@") || line.startsWith("*** ")) close();
    else if (line.startsWith("+++ ") && lines[at - 1]?.startsWith("--- ")) continue;
    else if (line.startsWith("-")) before.push(line.slice(1));
    else if (line.startsWith("+")) after.push(line.slice(1));
    else if (line.startsWith(" ")) {
      before.push(line.slice(1));
      after.push(line.slice(1));
    }
  }
  close();
  return files;
}

const KINDS = new Map<string, FileChange["kind"]>([
  ["Add", "new"],
  ["Update", "edit"],
  ["Delete", "delete"],
]);

function named(from: string, to: string): FileChange {
  const [old, fresh] = [from, to].map((line) => line.slice(4).split("\t")[0]!.trim());
  const kind = old === "/dev/null" ? "new" : fresh === "/dev/null" ? "delete" : "edit";
  return { path: (kind === "delete" ? old! : fresh!).replace(/^[ab]\//, ""), kind, pairs: [] };
}

function tasksOf(fields: Fields): Task[] {
  const list = own(fields, ["todos", "plan", "tasks"]);
  if (!Array.isArray(list)) return [];
  const tasks = list.slice(0, TASKS_MOST).map((each) => {
    const task = fieldsOf(each);
    const status = textOf(task, ["status", "state"]).toLowerCase();
    const state: Task["state"] = /complete|done/.test(status) ? "done" : /progress|doing|active/.test(status) ? "doing" : "open";
    return { words: textOf(task, ["content", "step", "text", "title", "description"]), state };
  });
  return tasks.every(({ words }) => words) ? tasks : [];
}

function commandOf(fields: Fields): string {
  const command = own(fields, ["command", "cmd"]);
  if (typeof command === "string") return command;
  if (!Array.isArray(command) || !command.every((each) => typeof each === "string")) return "";
  // A shell that is given one line to run: the line is what one reads.
  return /^(ba|z|da)?sh$/.test(command[0]?.split("/").pop() ?? "") && command.length === 3 ? command[2]! : command.join(" ");
}

function textOf(fields: Fields, names: string[]): string {
  const value = own(fields, names);
  return typeof value === "string" ? value : "";
}

/** Own fields only: `constructor` and the like are names as any other. */
function own(fields: Fields, names: string[]): unknown {
  const name = names.find((each) => Object.hasOwn(fields, each) && fields[each] !== null);
  return name === undefined ? undefined : fields[name];
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
