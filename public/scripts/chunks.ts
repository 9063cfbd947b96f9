/**
 * Which modules share a file. What the app needs before anything is drawn stands in one file: it is loaded as a
 * whole in any case, and one large file packs better than a dozen small ones, each with its round trip.
 */

interface Module {
  importedIds: readonly string[];
}

interface Graph {
  getModuleInfo(id: string): Module | null;
}

const ENTRY = /\/src\/main\.tsx$/;
const APP = /\/src\/app\/App\.tsx$/;

/** A name for all that App.tsx imports and the entry does not; null leaves a module to the bundler. */
export function chunks() {
  let app: Set<string> | null = null;
  let seen = new Set<string>();
  return {
    test: (id: string): boolean => (seen.add(id), true),
    name: (id: string, graph: Graph): string | null => {
      app ??= beyondEntry([...seen], graph);
      return app.has(id) ? "base" : null;
    },
    includeDependenciesRecursively: false,
  };
}

function beyondEntry(ids: string[], graph: Graph): Set<string> {
  const entry = reached(ids.filter((id) => ENTRY.test(id)), graph);
  const app = ids.filter((id) => APP.test(id));
  return new Set([...reached(app, graph)].filter((id) => !entry.has(id) && !app.includes(id)));
}

function reached(from: string[], graph: Graph): Set<string> {
  const found = new Set<string>();
  const take = (id: string): void => {
    if (found.has(id)) return;
    found.add(id);
    graph.getModuleInfo(id)?.importedIds.forEach(take);
  };
  from.forEach(take);
  return found;
}
