/** Ids are the workstation's and other devices' to choose, be they words that every object knows. */

import { describe, expect, it } from "vitest";
import { playedType } from "../voice/format";
import { errorText } from "../text/common";
import { typeName } from "../text/sessions";
import { entry, makeWorld } from "../testing/world";
import { plainText } from "./match";

const IDS = ["__proto__", "constructor", "toString", "hasOwnProperty"];
const sessions = IDS.map((id) => ({ session_id: id, session_type: "claude", status: "idle", project: "p" }));

describe.each(IDS)("the session %s", (id) => {
  it("is listed, talked to, drafted for, counted and ended as any other", async () => {
    const world = await makeWorld().paired({ sessions, executingStates: JSON.parse(`{"${id}": true}`) as object });
    expect([...world.state.sessions.keys()]).toEqual(IDS);
    expect(world.state.chats.get(id)?.executing).toBe(true);
    world.client.draft(id, "half a thought");
    world.socket.says(`{"type": "session.output", "session_id": "${id}", "payload": {"content": "done", "is_complete": true}}`);
    world.client.send(id, "hello");
    world.socket.says({ type: "message.ack", payload: { message_id: world.socket.last("session.execute").id } });
    expect(world.state.chats.get(id)?.messages.map((message) => plainText(message.blocks))).toEqual(["done", "hello"]);
    expect([world.state.unread.get(id), world.state.drafts.get(id)]).toEqual([1, "half a thought"]);
    world.socket.says({ type: "session.terminated", session_id: id });
    expect([world.state.sessions.has(id), world.state.ended.has(id), world.state.unread.has(id)]).toEqual([false, true, false]);
  });

  it("has nothing before anything was said", async () => {
    const world = await makeWorld().paired({ sessions });
    expect([world.state.chats.get(id), world.state.unread.get(id), world.state.terminals.get(id)]).toEqual([undefined, undefined, undefined]);
    world.client.watch(id);
    await world.history([entry(1, "user", "hello", "__proto__"), entry(2, "assistant", "hi", "constructor")], { session_id: id });
    expect(world.state.chats.get(id)?.messages.map((message) => message.messageId)).toEqual(["__proto__", "constructor"]);
  });

  it("is a word that has no meaning as an error, an agent or a format", () => {
    expect(errorText({ code: id })).toBe("Something went wrong on the workstation. Try again.");
    expect(typeof typeName(id)).toBe("string");
    expect(playedType(id)).toBe("audio/mpeg");
  });
});
