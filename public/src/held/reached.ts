/** Says so when a wish did not reach the server. */

import { client } from "~/app/client";
import { held as text } from "~/text/held";

export async function reached(wish: Promise<boolean>): Promise<boolean> {
  const done = await wish.catch(() => false);
  if (!done) client.notice("error", text.unreachable);
  return done;
}
