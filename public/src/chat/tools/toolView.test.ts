import { describe, expect, it } from "vitest";
import { diffOf } from "./diff";
import { outputOf, viewOf, type FileChange } from "./toolView";

const view = (name: string, input: unknown) => viewOf(name, JSON.stringify(input));
const filesOf = (name: string, input: unknown): FileChange[] => {
  const seen = view(name, input);
  return seen.kind === "change" ? seen.files : [];
};
const counted = (file: FileChange) => `${file.path} +${diffOf(file).added} -${diffOf(file).removed}`;

const PATCH = `*** Begin Patch
*** Update File: src/a.py
@@ def main
 one
-two
+2
+2.5
*** Add File: b.txt
+hello
*** Delete File: c.txt
*** End Patch`;
const UNIFIED = "diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,2 @@\n-old\n+new\n same\n";

describe("a tool call", () => {
  it("that edits, by whatever agent, is a change of files", () => {
    expect(filesOf("Edit", { file_path: "a", old_string: "x\ny", new_string: "x\nz" }).map(counted)).toEqual(["a +1 -1"]);
    expect(filesOf("edit", { filePath: "a", oldString: "x", newString: "" }).map(counted)).toEqual(["a +0 -1"]);
    expect(filesOf("Write", { file_path: "a", content: "1\n2\n3\n" }).map(counted)).toEqual(["a +3 -0"]);
    const edits = [{ old_string: "a", new_string: "b" }, { old_string: "c", new_string: "d" }];
    expect(filesOf("MultiEdit", { file_path: "m", edits }).map(counted)).toEqual(["m +2 -2"]);
  });

  it("that applies a patch shows each file", () => {
    for (const input of [{ input: PATCH }, { patchText: PATCH }, { command: ["apply_patch", PATCH] }]) {
      expect(filesOf("apply_patch", input).map(counted)).toEqual(["src/a.py +2 -1", "b.txt +1 -0", "c.txt +0 -0"]);
    }
    expect(filesOf("patch", { diff: UNIFIED }).map(counted)).toEqual(["x.c +1 -1"]);
    expect(viewOf("apply_patch", PATCH).kind).toBe("change");
  });

  it("that plans is a list of tasks", () => {
    const todos = [{ content: "one", status: "completed" }, { content: "two", status: "in_progress" }, { content: "three" }];
    expect(view("TodoWrite", { todos })).toEqual({ kind: "tasks", tasks: [{ words: "one", state: "done" }, { words: "two", state: "doing" }, { words: "three", state: "open" }] });
    expect(view("update_plan", { plan: [{ step: "x", status: "pending" }] }).kind).toBe("tasks");
  });

  it("that runs something is its command", () => {
    expect(view("Bash", { command: "make" })).toEqual({ kind: "command", command: "make" });
    expect(view("shell", { command: ["bash", "-lc", "ls -l"] })).toEqual({ kind: "command", command: "ls -l" });
    expect(outputOf(JSON.stringify({ stdout: "a", stderr: "b", exit_code: 1 }))).toMatchObject({ text: "a\nb", exit: 1 });
    expect(outputOf("plain [31m")).toMatchObject({ text: "plain [31m", exit: null });
  });

  it("of another kind, broken or hostile, is its fields", () => {
    for (const input of ['{"file_path":', "null", "[]", "7", '{"__proto__":{"command":"x"}}', '{"todos":[7]}', '{"todos":[{"content":{}}]}', '{"edits":{}}', '{"file_path":"a","edits":[null]}']) {
      expect(viewOf("constructor", input).kind).toBe("fields");
    }
    expect(view("Read", { file_path: "/a/b" })).toEqual({ kind: "fields", path: "/a/b" });
  });
});

describe("a diff", () => {
  it("leaves out what did not change", () => {
    const text = (change: string) => [...Array(40).keys()].map((n) => (n === 20 ? change : `line ${n}`)).join("\n");
    const [file] = filesOf("Edit", { path: "a", old: text("x"), new: text("y") });
    expect(diffOf(file!).lines.map(({ kind }) => kind[0]).join("")).toBe("ssssrassss");
    expect(diffOf(file!).lines[0]).toEqual({ kind: "skip", text: "17" });
  });

  it("of two huge unlike texts is made in bounded work", () => {
    const lines = (seed: number) => Array.from({ length: 100_000 }, (_, n) => `${(n * seed) % 9973}`).join("\n");
    const [file] = filesOf("Edit", { path: "a", old: lines(7), new: lines(31) });
    expect(diffOf(file!)).toMatchObject({ added: 100_000, removed: 100_000 });
    expect(diffOf(file!).lines.length).toBe(20_000);
  });
});
