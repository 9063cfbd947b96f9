/** Text files that are dropped or pasted, as text of a message. */

import { FILES_MOST } from "~/protocol/limits";
import { fenced } from "~/store/match";
import { chat as text } from "~/text/chat";

const KILOBYTES_MOST = FILES_MOST / 1000;

/** The files' text, and for each that does not fit or is no text a sentence that says so. */
export async function inlined(files: readonly File[]): Promise<{ words: string; refused: string[] }> {
  const parts: string[] = [];
  const refused: string[] = [];
  let room = FILES_MOST;
  for (const file of files) {
    if (file.size > room) {
      refused.push(text.filesTooLarge(file.name, KILOBYTES_MOST));
      continue;
    }
    const content = decoded(await file.arrayBuffer().catch(() => null));
    if (content === null) {
      refused.push(text.notText(file.name));
      continue;
    }
    room -= file.size;
    parts.push(`${file.name}\n${fenced(content, languageOf(file.name))}\n`);
  }
  return { words: parts.join("\n"), refused };
}

/** Null for what is not UTF-8 text; a folder cannot even be read. */
function decoded(bytes: ArrayBuffer | null): string | null {
  if (bytes === null) return null;
  try {
    const content = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return content.includes("\0") ? null : content.replaceAll("\r\n", "\n");
  } catch {
    return null;
  }
}

const languageOf = (name: string): string => /\.([A-Za-z0-9]{1,12})$/.exec(name)?.[1]?.toLowerCase() ?? "";
