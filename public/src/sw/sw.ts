/** The service worker: keeps the shell usable without a network. */
export {};
