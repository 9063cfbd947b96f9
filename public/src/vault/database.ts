/** A small promise face for the browser's database. */

const NAME = "tiflis";
const VERSION = 2;
export type Shelf = "secrets" | "workstations" | "outbox" | "pieces";
const SHELVES: Shelf[] = ["secrets", "workstations", "outbox", "pieces"];

let opened: Promise<IDBDatabase> | null = null;

function database(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const known = request.result.objectStoreNames;
      for (const shelf of SHELVES) if (!known.contains(shelf)) request.result.createObjectStore(shelf);
    };
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("the browser's storage is in use by an older page"));
  });
  opened.catch(() => (opened = null));
  return opened;
}

async function run<Result>(
  shelf: Shelf,
  mode: IDBTransactionMode,
  work: (store: IDBObjectStore) => IDBRequest<Result>,
): Promise<Result> {
  const transaction = (await database()).transaction(shelf, mode);
  const request = work(transaction.objectStore(shelf));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

export const get = (shelf: Shelf, key: string): Promise<unknown> => run(shelf, "readonly", (store) => store.get(key));
export const all = (shelf: Shelf): Promise<unknown[]> => run(shelf, "readonly", (store) => store.getAll());
/** All whose keys begin with `prefix`. */
export const beginning = (shelf: Shelf, prefix: string): Promise<unknown[]> =>
  run(shelf, "readonly", (store) => store.getAll(IDBKeyRange.bound(prefix, `${prefix}\uffff`)));
export const removeBeginning = (shelf: Shelf, prefix: string): Promise<unknown> =>
  run(shelf, "readwrite", (store) => store.delete(IDBKeyRange.bound(prefix, `${prefix}\uffff`)));
export const put = (shelf: Shelf, key: string, value: unknown): Promise<unknown> =>
  run(shelf, "readwrite", (store) => store.put(value, key));
export const remove = (shelf: Shelf, key: string): Promise<unknown> =>
  run(shelf, "readwrite", (store) => store.delete(key));
/** Stores `value` unless the key is taken; two tabs that start at once agree on the first. */
export async function addOnce(shelf: Shelf, key: string, value: unknown): Promise<unknown> {
  await run(shelf, "readwrite", (store) => store.add(value, key)).catch(() => undefined);
  return get(shelf, key);
}
