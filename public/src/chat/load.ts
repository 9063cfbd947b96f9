/** Loads the chat with its Markdown: an answer that stands as plain text first would move when it is set. */

type Chat = typeof import("./ChatScreen");
type Markdown = typeof import("./Markdown").default;

let loaded: Markdown | null = null;

export async function loadChat(): Promise<Chat> {
  const [chat, markdown] = await Promise.all([import("./ChatScreen"), import("./Markdown")]);
  loaded = markdown.default;
  return chat;
}

/** Null until the chat is loaded. */
export const markdown = (): Markdown | null => loaded;
