/** The text that stands before the caret in `after` and did not in `before`. */
export function insertedBefore(caret: number, before: string, after: string): string {
  const rest = after.slice(caret);
  const known = before.endsWith(rest) ? before.slice(0, before.length - rest.length) : before;
  let same = 0;
  while (same < Math.min(known.length, caret) && known[same] === after[same]) same += 1;
  return after.slice(same, caret);
}
