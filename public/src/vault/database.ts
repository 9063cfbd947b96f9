/** A small promise face for the browser's database. */

const NAME = "tiflis";
const VERSION = 1;
export type Shelf = "secrets" | "workstations" | "outbox";
const SHELVES: Shelf[] = ["secrets", "workstations", "outbox"];

let opened: Promise<IDBDatabase> | null = null;

function database(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => SHELVES.forEach((shelf) => request.result.createObjectStore(shelf));
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
export const put = (shelf: Shelf, key: string, value: unknown): Promise<unknown> =>
  run(shelf, "readwrite", (store) => store.put(value, key));
export const remove = (shelf: Shelf, key: string): Promise<unknown> =>
  run(shelf, "readwrite", (store) => store.delete(key));
/** Stores `value` unless the key is taken; two tabs that start at once agree on the first. */
export async function addOnce(shelf: Shelf, key: string, value: unknown): Promise<unknown> {
  await run(shelf, "readwrite", (store) => store.add(value, key)).catch(() => undefined);
  return get(shelf, key);
}
