"""A browser profile that is paired already: pairing has tests of its own (test_pairing.py)."""

from __future__ import annotations

from playwright.sync_api import Page
from tiflis_workstation.pairing import Pairing

# Write what `public/src/vault` keeps of a workstation.
SEED = """async ({ tunnelId, url, key }) => {
  const id = 'ws-1';
  const kind = { name: 'AES-GCM', length: 256 };
  const made = await crypto.subtle.generateKey(kind, false, ['encrypt', 'decrypt']);
  const text = JSON.stringify({ id, name: '', tunnelId, url, authKey: key, addedAt: Date.now() });
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const data = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, made, new TextEncoder().encode(text));
  const database = await new Promise((done, fail) => {
    const opening = indexedDB.open('tiflis', 2);
    opening.onupgradeneeded = () => {
      const shelves = ['secrets', 'workstations', 'outbox', 'pieces'];
      for (const shelf of shelves) opening.result.createObjectStore(shelf);
    };
    opening.onsuccess = () => done(opening.result);
    opening.onerror = () => fail(opening.error);
  });
  const writing = database.transaction(['secrets', 'workstations'], 'readwrite');
  writing.objectStore('secrets').put(made, 'key');
  writing.objectStore('workstations').put({ iv, data }, id);
  await new Promise((done, fail) => {
    writing.oncomplete = done;
    writing.onabort = () => fail(writing.error);
  });
  database.close();
  localStorage.setItem('tiflis.current', JSON.stringify(id));
}"""


def seed(page: Page, pairing: Pairing) -> None:
    """Write the pairing into the storage of the page's origin, which no client has used yet."""
    page.evaluate(SEED, {"tunnelId": pairing.tunnel_id, "url": pairing.url, "key": pairing.key})
