import { describe, expect, it } from "vitest";
import { ASK_LIMIT, HELD_LIMIT, type Piece, Sequencer, type Step } from "./sequence";

const piece = (sequence: number): Piece => ({ sequence, content: `<${sequence}>` });
const pieces = (from: number, to: number): Piece[] =>
  Array.from({ length: to - from + 1 }, (_, index) => piece(from + index));

class Screen {
  text = "";
  lost = 0;
  asked: number[] = [];

  see(step: Step): void {
    if (step.reset) this.text = "";
    for (const write of step.writes) {
      this.text += write.text;
      if (write.lost) this.lost += 1;
    }
    if (step.ask) this.asked.push(step.ask.since_sequence);
  }
}

const expected = (from: number, to: number): string => pieces(from, to).map((one) => one.content).join("");

function opened(): { feed: Sequencer; screen: Screen } {
  const feed = new Sequencer();
  const screen = new Screen();
  screen.see(feed.resume());
  screen.see(feed.replay({ messages: pieces(1, 3), has_more: false, current_sequence: 3 }));
  return { feed, screen };
}

describe("terminal output", () => {
  it("is fetched from the beginning when the terminal is opened", () => {
    const { screen } = opened();
    expect(screen.asked).toEqual([0]);
    expect(screen.text).toBe(expected(1, 3));
  });

  it("is written once, whatever is repeated", () => {
    const { feed, screen } = opened();
    for (const number of [4, 4, 2, 5, 5]) screen.see(feed.output(piece(number)));
    expect(screen.text).toBe(expected(1, 5));
  });

  it("waits behind a gap until the replay has filled it", () => {
    const { feed, screen } = opened();
    screen.see(feed.output(piece(6)));
    screen.see(feed.output(piece(7)));
    expect(screen.text).toBe(expected(1, 3));
    expect(screen.asked).toEqual([0, 3]);
    screen.see(feed.replay({ messages: pieces(4, 6), has_more: false, current_sequence: 7 }));
    expect(screen.text).toBe(expected(1, 7));
    expect(screen.lost).toBe(0);
  });

  it("asks on while the replay has more", () => {
    const { feed, screen } = opened();
    screen.see(feed.output(piece(9)));
    screen.see(feed.replay({ messages: pieces(4, 5), has_more: true, current_sequence: 9 }));
    screen.see(feed.replay({ messages: pieces(6, 9), has_more: false, current_sequence: 9 }));
    expect(screen.asked).toEqual([0, 3, 5]);
    expect(screen.text).toBe(expected(1, 9));
  });

  it("does not ask for ever when has_more brings nothing", () => {
    const { feed, screen } = opened();
    screen.see(feed.output(piece(5)));
    screen.see(feed.replay({ messages: [], has_more: true }));
    expect(feed.waiting).toBe(false);
    expect(screen.text).toBe(expected(1, 3) + expected(5, 5));
    expect(screen.lost).toBe(1);
  });

  it("says so when the workstation no longer has what is missing", () => {
    const { feed, screen } = opened();
    screen.see(feed.output(piece(50)));
    screen.see(feed.replay({ messages: pieces(40, 50), has_more: false, first_sequence: 40 }));
    expect(screen.lost).toBe(1);
    expect(screen.text).toBe(expected(1, 3) + expected(40, 50));
  });

  it("asks again when no answer comes, and goes on without in the end", () => {
    const { feed, screen } = opened();
    screen.see(feed.output(piece(5)));
    for (let time = 0; time < ASK_LIMIT; time += 1) screen.see(feed.timedOut());
    expect(screen.asked).toEqual([0, 3, 3, 3]);
    expect(screen.text).toBe(expected(1, 3) + expected(5, 5));
  });

  it("starts the screen anew when the numbering began anew", () => {
    const { feed, screen } = opened();
    screen.see(feed.resume());
    screen.see(feed.replay({ messages: [], has_more: false, current_sequence: 1 }));
    screen.see(feed.replay({ messages: pieces(1, 1), has_more: false, current_sequence: 1 }));
    expect(screen.text).toBe(expected(1, 1));
    expect(screen.asked).toEqual([0, 3, 0]);
  });

  it("bounds what it holds and fetches the rest again", () => {
    const { feed, screen } = opened();
    const half = "x".repeat(HELD_LIMIT / 2 + 1);
    screen.see(feed.output({ sequence: 5, content: half }));
    screen.see(feed.output({ sequence: 6, content: half }));
    screen.see(feed.replay({ messages: pieces(4, 4), has_more: false, current_sequence: 6 }));
    expect(screen.asked).toEqual([0, 3, 4]);
    screen.see(feed.replay({ messages: pieces(5, 6), has_more: false, current_sequence: 6 }));
    expect(screen.text).toBe(expected(1, 6));
  });

  it("writes unnumbered output at once", () => {
    const { feed, screen } = opened();
    screen.see(feed.output({ content: "plain" }));
    expect(screen.text).toBe(`${expected(1, 3)}plain`);
  });

  it("marks old output, so that it neither rings nor is answered", () => {
    const feed = new Sequencer();
    feed.resume();
    expect(feed.replay({ messages: pieces(1, 1), has_more: false }).writes[0]?.replayed).toBe(true);
    expect(feed.output(piece(2)).writes[0]?.replayed).toBe(false);
  });

  it("comes out whole and once under any loss, repetition and order", () => {
    for (let seed = 1; seed <= 200; seed += 1) expect(simulate(seed, 60)).toBe(expected(1, 60));
  });
});

/** A workstation that writes `count` pieces over a bad link; in the end the link is good. */
function simulate(seed: number, count: number): string {
  const random = generator(seed);
  const feed = new Sequencer();
  const screen = new Screen();
  let questions: number[] = [];
  const see = (step: Step): void => {
    screen.see(step);
    if (step.ask) questions.push(step.ask.since_sequence);
  };
  const answer = (current: number): void => {
    const since = questions.shift();
    if (since === undefined) return;
    const last = Math.min(current, since + 1 + Math.floor(random() * 10));
    see(feed.replay({ messages: pieces(since + 1, last), has_more: last < current, current_sequence: current }));
  };
  see(feed.resume());
  for (let number = 1; number <= count; number += 1) {
    if (random() < 0.7) see(feed.output(piece(number)));
    if (random() < 0.2) see(feed.output(piece(1 + Math.floor(random() * number))));
    if (random() < 0.5) answer(number);
    if (random() < 0.05) see(feed.resume());
  }
  see(feed.resume());
  while (questions.length > 0) answer(count);
  return screen.text;
}

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
}
