/** Where a workstation is reached. */

import type { Workstation } from "~/store/state";

/** Its server; with its tunnel where two are reached at the same place. */
export function placeOf({ id, url, tunnelId }: Workstation, all: Workstation[]): string {
  const host = new URL(url).host;
  const twins = all.some((each) => each.id !== id && new URL(each.url).host === host);
  return twins ? `${host} · ${tunnelId}` : host;
}
