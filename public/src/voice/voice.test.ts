import { describe, expect, it } from "vitest";
import { clock, fromBase64, playedType, recordingFormat } from "~/voice/format";
import { Gesture, TAP } from "~/voice/gesture";
import { loudness } from "~/voice/recorder";
import { standing, troubleOf } from "~/voice/trouble";

describe("the recording's format", () => {
  it("is WebM where there is WebM, else MP4, else none", () => {
    expect(recordingFormat(() => true)?.name).toBe("webm");
    expect(recordingFormat((mime) => mime.startsWith("audio/mp4"))?.name).toBe("mp4");
    expect(recordingFormat(() => false)).toBeUndefined();
  });

  it("is read from base64, with and without a prefix", () => {
    expect(fromBase64("AAEC")).toEqual(Uint8Array.of(0, 1, 2));
    expect(fromBase64("data:audio/mp3;base64,AAEC")).toEqual(Uint8Array.of(0, 1, 2));
    expect(fromBase64("<script>")).toBeUndefined();
  });

  it("is mp3 for an answer that does not say", () => {
    expect(playedType(undefined)).toBe("audio/mpeg");
    expect(playedType("M4A")).toBe("audio/mp4");
  });

  it("shows seconds as a clock", () => {
    expect([clock(7.9), clock(754), clock(Number.NaN), clock(-3)]).toEqual(["0:07", "12:34", "0:00", "0:00"]);
  });
});

describe("the record button", () => {
  it("records from tap to tap", () => {
    const gesture = new Gesture();
    expect(gesture.press("idle", 0)).toBe("start");
    expect(gesture.release("opening", 100, false)).toBe("nothing");
    expect(gesture.press("recording", 3000)).toBe("nothing");
    expect(gesture.release("recording", 3100, false)).toBe("finish");
  });

  it("goes on after a double tap", () => {
    const gesture = new Gesture();
    gesture.press("idle", 0);
    gesture.release("opening", 60, false);
    gesture.press("recording", 200);
    expect(gesture.release("recording", 260, false)).toBe("nothing");
  });

  it("records for as long as it is held", () => {
    const gesture = new Gesture();
    gesture.press("idle", 0);
    expect(gesture.release("recording", TAP + 1, false)).toBe("finish");
  });

  it("goes on when it was let go to answer the browser's question", () => {
    const gesture = new Gesture();
    gesture.press("idle", 0);
    expect(gesture.release("opening", 5000, false)).toBe("nothing");
  });

  it("discards when the finger slides off", () => {
    const gesture = new Gesture();
    gesture.press("idle", 0);
    expect(gesture.release("recording", 2000, true)).toBe("cancel");
  });

  it("forgets a press that was taken away", () => {
    const gesture = new Gesture();
    gesture.press("idle", 0);
    gesture.drop();
    expect(gesture.release("recording", 2000, false)).toBe("nothing");
  });
});

describe("trouble with the microphone", () => {
  it("is told apart", () => {
    expect(standing({ secure: false, devices: false, recorder: true })).toBe("insecure");
    expect(standing({ secure: true, devices: true, recorder: false })).toBe("unsupported");
    expect(standing({ secure: true, devices: true, recorder: true })).toBeUndefined();
    expect(troubleOf(new DOMException("", "NotAllowedError"))).toBe("denied");
    expect(troubleOf(new DOMException("", "NotFoundError"))).toBe("none");
    expect(troubleOf("odd")).toBe("failed");
  });

  it("shows silence as nothing and a shout as full", () => {
    expect(loudness(new Uint8Array(64).fill(128))).toBe(0);
    expect(loudness(Uint8Array.from({ length: 64 }, (_, index) => (index % 2) * 255))).toBe(1);
  });
});
